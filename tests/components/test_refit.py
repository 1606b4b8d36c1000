"""The refit component: which weights serve, and what the next run finds after a kill."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.refit import refit
from components.services import Services
from models.graph.store import TemporalGraph
from models.spec import Spec
from models.training.artifact import load_model
from models.training.errors import DivergedError
from models.training.fit import fit
from monitoring.documents import read_json
from monitoring.evaluation import evaluate
from tests.components.specs import artifact
from tests.factories import specs
from tests.models.training.small import MODEL, TRAINING
from tests.models.training.test_train import files
from tests.monitoring.test_evaluation import DOCUMENT, FakeProduct

STORE = Path(__file__).resolve().parent.parent.parent / "feature_repo" / "feature_store.yaml"
LENIENT: dict[str, Any] = dict.fromkeys(("margin", "other_margin"), 0.45)
LENIENT |= {
    "ece": 1.0,
    "mean_ratio": [0.001, 1000.0],
    "surface_ratio": [0.001, 1000.0],
    "bootstraps": 50,
    "refit": True,
}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> FakeProduct:
    found = FakeProduct(tmp_path_factory.mktemp("product"))
    found.spec = spec(**LENIENT)
    graph, folder = TemporalGraph.load(found.folder / "graph"), found.folder
    fit(graph, MODEL, TRAINING, folder / "judged", device="cpu")
    evaluate(found.spec, folder / "graph", folder / "set", folder / "tables", folder / "judged", None, folder / "out")
    return found


def spec(**gate: Any) -> Spec:
    return specs.spec_of({**DOCUMENT, "gate": gate}, "fake.yaml")


def run(product: FakeProduct, folder: Path, given: Spec) -> tuple[Path, dict[str, Any]]:
    """The folder of the model that serves, and the check's document."""
    inputs = {"graph": "graph", "model": "judged", "evaluation": "out"}
    outputs = {name: dsl.Artifact(name=name, uri=str(folder / name)) for name in ("serving", "check", "summary")}
    refit.python_func(
        spec=artifact(given, folder),
        services=Services.embedded("run-1", folder / "state", STORE).to_json(),
        **{name: dsl.Artifact(name=name, uri=str(product.folder / path)) for name, path in inputs.items()},
        **outputs,
    )
    assert (folder / "summary").read_text(encoding="utf-8").startswith("# Refit")
    return folder / "serving", read_json(folder / "check")


def test_a_refit_that_passes_serves(product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.obstacles.MINIMUM_ROWS", 10)
    serving, check = run(product, tmp_path, product.spec)
    assert check["serves"]
    assert load_model(serving).seen_until == product.spec.last_gate_day.start
    assert check["until"] == load_model(serving).training["until"]
    assert files(serving)["model.safetensors"] != files(product.folder / "judged")["model.safetensors"]
    assert not list((tmp_path / "state" / "checkpoints").glob("*/*"))


def test_the_judged_weights_serve_where_the_day_is_too_short_to_tell(product: FakeProduct, tmp_path: Path) -> None:
    serving, check = run(product, tmp_path, product.spec)
    assert not check["serves"]
    assert any("at least 100 are needed" in reason for reason in check["reasons"])
    assert files(serving) == files(product.folder / "judged")


def test_the_judged_weights_serve_where_the_refit_diverges(
    product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any, **__: Any) -> None:
        raise DivergedError("the loss is NaN")

    monkeypatch.setattr("models.training.refit.train", diverge)
    serving, check = run(product, tmp_path, product.spec)
    assert (check["serves"], check["reasons"]) == (
        False,
        ["The refit failed, so the judged weights serve: the loss is NaN"],
    )
    assert files(serving) == files(product.folder / "judged")


def test_a_killed_refit_goes_on(product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training.train import TrainingRun

    monkeypatch.setattr("monitoring.obstacles.MINIMUM_ROWS", 10)
    run_epoch, epochs, kills = TrainingRun._run_epoch, list[int](), [1]

    def killed(self: TrainingRun) -> dict[str, float]:
        if self.progress.epoch in kills:
            kills.clear()
            raise InterruptedError
        epochs.append(self.progress.epoch)
        return run_epoch(self)

    (tmp_path / "whole").mkdir()
    whole, _ = run(product, tmp_path / "whole", product.spec)
    monkeypatch.setattr(TrainingRun, "_run_epoch", killed)
    with pytest.raises(InterruptedError):
        run(product, tmp_path, product.spec)
    serving, _ = run(product, tmp_path, product.spec)
    assert epochs == list(range(load_model(product.folder / "judged").training["epochs"]))
    assert files(serving) == files(whole)
