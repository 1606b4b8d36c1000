"""What the ledger gets of steps whose outputs came from KFP's cache."""

import json
from pathlib import Path

import pytest
from kfp import dsl

from components.compare import compare
from components.recovered import recover_curves, recover_graph
from components.services import Services
from models.addresses import sqlite_address
from models.spec import Spec
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.mlflow_database import add_database


def ledger_in(folder: Path) -> Ledger:
    add_database(folder)
    return Ledger(sqlite_address(folder / "mlflow" / "mlflow.db"), "run-1")


def write(folder: Path, name: str, document: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_counts_and_curves_are_read_from_the_artifacts(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path / "state")
    graph = write(tmp_path / "graph", "manifest.json", {"counts": {"members": 3}})
    history = [{"train_loss": 0.7, "validate_auc_click": 0.6}, {"train_loss": 0.5, "validate_auc_click": 0.65}]
    model = write(tmp_path / "model", "training.json", {"history": [], "selection": {"history": history}})
    assert not ledger.has_curves()
    recover_graph(ledger, graph)
    recover_curves(ledger, model)
    found = ledger.read(tmp_path / "read")
    assert found.notes["graph"] == {"members": 3}
    assert found.curves == {"train_loss": [(1, 0.7), (2, 0.5)], "validate_auc_click": [(1, 0.6), (2, 0.65)]}


def test_what_the_steps_told_themselves_stays(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path / "state")
    ledger.note("graph", {"members": 4})
    ledger.series({"train_loss": 0.9}, 1)
    recover_graph(ledger, write(tmp_path / "graph", "manifest.json", {"counts": {"members": 3}}))
    recover_curves(ledger, write(tmp_path / "model", "training.json", {"history": [{"train_loss": 0.5}]}))
    found = ledger.read(tmp_path / "read")
    assert (found.notes["graph"], found.curves) == ({"members": 4}, {"train_loss": [(1, 0.9)]})


def test_a_model_that_kept_no_history_has_no_curves(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path / "state")
    recover_curves(ledger, write(tmp_path / "model", "training.json", {}))
    assert not ledger.has_curves()


def test_a_comparison_of_cached_models_has_counts_and_curves(
    tiny_spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.comparison.compare_models", lambda *_, **__: {})
    monkeypatch.setattr("monitoring.comparison.table", lambda _: "")
    add_database(tmp_path / "state")
    write(tmp_path / "graph", "manifest.json", {"counts": {"members": 3}})
    write(tmp_path / "model", "training.json", {"history": [{"train_loss": 0.5}]})
    folders = {
        "tables": "tables",
        "single_graph": "",
        "single_model": "",
        "cross_graph": "graph",
        "cross_model": "model",
    }
    services = Services.embedded("run-1", tmp_path / "state", tiny.CONFIG)
    compare.python_func(
        spec=artifact(tiny_spec, tmp_path),
        services=services.to_json(),
        **{name: dsl.Artifact(name=name, uri=str(tmp_path / folder)) for name, folder in folders.items()},
        summary=dsl.Markdown(name="page", uri=str(tmp_path / "page.md")),
    )
    found = Ledger(services.tracking_uri, "run-1", tiny_spec.name).read(tmp_path / "read")
    assert (found.notes["graph"], found.curves) == ({"members": 3}, {"train_loss": [(1, 0.5)]})
