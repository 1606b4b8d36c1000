"""The register component: the bundle and the tags of a new version."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kfp import dsl

from components.register import register
from components.services import Services
from models.addresses import sqlite_address
from models.calibration import Calibration
from models.features import impression_features
from models.spec import Spec
from models.training.files import write_json
from monitoring.ledger import Ledger
from monitoring.profiles import VersionProfile
from serving.versions.bundle import PROFILE, read_bundle
from serving.versions.prior import FILE, Prior
from serving.versions.registry import BEST, GATE, WINDOWS
from tests.components.specs import artifact
from tests.factories import specs
from tests.mlflow_database import add_database
from tests.monitoring.fakes import DOCUMENT, fake_predictions, small_spec

REFIT = specs.spec_of({**DOCUMENT, "windows": specs.windows(gate=2), "gate": {**DOCUMENT["gate"], "refit": True}})

SPEC = small_spec()
TIME = pd.Timestamp(SPEC.span("train").start, unit="us", tz="UTC")
CALIBRATION = Calibration.none(["click"]).to_json()
TRAINING = {"history": [{"train_loss": 0.5}]}


class FakeRegistry:
    """Keeps the prior and the tags of the version that it is given."""

    prior: Prior
    tags: dict[str, Any]
    files: Mapping[str, bytes]

    def __init__(self, tracking_uri: str) -> None:
        assert tracking_uri.startswith("sqlite:///")

    def champion(self, name: str) -> None:
        return None

    def log_version(self, name: str, bundle: Path, tags: dict[str, Any]) -> str:
        read_bundle(bundle)
        FakeRegistry.files = read_bundle(bundle).files
        FakeRegistry.prior, FakeRegistry.tags = Prior.read(bundle / FILE), tags
        return "5"


def registered(
    folder: Path,
    later: list[dict[str, Any]],
    predictions: pd.DataFrame | None = None,
    metrics: dict[str, Any] | None = None,
    spec: Spec | None = None,
    **refit: dsl.Artifact,
) -> tuple[str, dict[str, list[float]]]:
    """The decision, and the prior of items 7, 8 and 9, with the rows ``later`` after the train window."""
    folder.mkdir()
    inputs = {name: folder / name for name in ("tables", "training_set", "graph", "model", "evaluation")}
    for path in inputs.values():
        path.mkdir()
        write_json(path / "manifest.json", {"counts": {"nodes": {}}, "schema": {"edges": []}})
    train = [{"item": item, "window": "train", "clicked": item == 7, "liked": item == 8} for item in (7, 8) * 30]
    rows = pd.DataFrame(train + later).assign(member=1, surface="feed", time=TIME, kind="a")
    rows = rows.assign(**{feature.name: 1.0 for feature in impression_features(SPEC) if feature.kind == "number"})
    rows.to_parquet(inputs["training_set"] / "impressions.parquet")
    for name, document in (("training.json", TRAINING), ("calibration.json", CALIBRATION), ("manifest.json", {})):
        write_json(inputs["model"] / name, document)
    spec = spec or small_spec()
    predictions = fake_predictions(spec) if predictions is None else predictions
    predictions.to_parquet(inputs["evaluation"] / "predictions.parquet")
    write_json(inputs["evaluation"] / "metrics.json", metrics or {})
    write_json(inputs["evaluation"] / "embeddings.json", {"item": {"rows": 9}})
    store = Path(__file__).resolve().parent.parent.parent / "feature_repo" / "feature_store.yaml"
    add_database(folder / "state")
    decision = register.python_func(
        spec=artifact(spec, folder),
        services=Services.embedded("run-1", folder / "state", store).to_json(),
        **{name: dsl.Artifact(name=name, uri=str(path)) for name, path in inputs.items()},
        version=str(folder / "out" / "version"),
        verdict=dsl.Markdown(name="verdict", uri=str(folder / "verdict.md")),
        **refit,
    )
    assert (folder / "out" / "version").read_text(encoding="utf-8") == ("" if decision == "refit" else "5")
    return decision, {task: rates.tolist() for task, rates in FakeRegistry.prior.probabilities([7, 8, 9]).items()}


def test_the_prior_is_of_the_train_window_whatever_came_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    later = [
        {"item": item, "window": window, "clicked": item != 7, "liked": True}
        for item in (7, 8, 9)
        for window in ("validate", "gate", "test")
    ]
    decision, prior = registered(tmp_path / "plain", [])
    assert decision == "promote"
    (said,) = (line for line in capsys.readouterr().out.splitlines() if "version 5 of" in line)
    assert ": promote. click AUC" in said
    assert ".;" not in said
    assert prior["click"] == pytest.approx([0.8, 0.2, 0.5])  # (30 + 20 * 0.5) / 50, (20 * 0.5) / 50, all together
    assert prior["like"] == pytest.approx([0.2, 0.8, 0.5])
    assert registered(tmp_path / "later", later * 100) == (decision, prior)


def test_the_version_s_profile_is_in_its_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    registered(tmp_path / "run", [])
    profile = VersionProfile.from_json(json.loads(FakeRegistry.files[PROFILE]))
    assert profile.labels["click"] == {"all": [0.5, 0.5]}  # the surface has too few rows
    assert profile.columns.columns["hour"]["rows"] == 60
    assert profile.calibration["click"]["all"]["mean"] == pytest.approx(0.0, abs=0.1)


def test_a_training_from_the_cache_has_its_curves_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    registered(tmp_path / "run", [])
    address = sqlite_address(tmp_path / "run" / "state" / "mlflow" / "mlflow.db")
    assert Ledger(address, "run-1", small_spec().name).read(tmp_path / "read").curves == {"train_loss": [(1, 0.5)]}


@pytest.mark.parametrize(("passes", "best"), [(True, {}), (False, {BEST: "3"})])
def test_the_version_s_tags_tell_the_gate_s_decision_and_the_best_version(
    passes: bool, best: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    noise = {"candidate": 0.05 if passes else 2.0, "champion": 1.0, "version_3": 0.4, "trees": 2.5}
    metrics = {"champion_version": "4", "earlier": {"scored": ["3"], "skipped": {}, "best": "3"}}
    decision, _ = registered(tmp_path / "run", [], fake_predictions(small_spec(), noise=noise), metrics)
    assert decision == ("promote" if passes else "hold")
    assert FakeRegistry.tags == {"run": "run-1", GATE: decision, WINDOWS: "2026-01-01 to 2026-01-07", **best}


def refitted(folder: Path, serves: bool) -> dict[str, dsl.Artifact]:
    """The outputs of the refit component; a refit's ``training.json`` differs from that of the judged model."""
    (folder / "serving").mkdir()
    write_json(folder / "serving" / "calibration.json", CALIBRATION)
    for name, content in (("training.json", {"until": "2026-01-08", "from": "2026-01-03"}), ("manifest.json", {})):
        write_json(folder / "serving" / name, content if serves else {})
    check = {
        "serves": serves,
        "reasons": ["It was checked."],
        "until": "2026-01-08",
        "embeddings": {"item": {"rows": 7}},
    }
    write_json(folder / "check", check)
    return {name: dsl.Artifact(name=name, uri=str(folder / name)) for name in ("serving", "check")}


def test_nothing_is_registered_before_the_refit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    monkeypatch.setattr(FakeRegistry, "log_version", None)
    good, bad = (fake_predictions(REFIT, noise={"candidate": noise, "trees": 1.0}) for noise in (0.05, 2.0))
    monkeypatch.setattr(FakeRegistry, "prior", Prior.empty(REFIT), raising=False)
    assert registered(tmp_path / "good", [], good, spec=REFIT)[0] == "refit"
    with pytest.raises(TypeError):  # a model that the gate holds gets no refit: it is registered at once
        registered(tmp_path / "bad", [], bad, spec=REFIT)


@pytest.mark.parametrize("serves", [True, False])
def test_a_refit_that_passed_serves_and_else_the_judged_weights_do(
    serves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    predictions = fake_predictions(REFIT, noise={"candidate": 0.05, "trees": 1.0})
    outputs = refitted(tmp_path, serves)
    decision, _ = registered(tmp_path / "run", [], predictions, spec=REFIT, **outputs)
    assert decision == FakeRegistry.tags[GATE] == "promote"
    files = FakeRegistry.files
    assert ("judged/training.json" in files) is serves
    assert json.loads(files["training.json"]) == ({"until": "2026-01-08", "from": "2026-01-03"} if serves else TRAINING)
    verdict = json.loads(files["metrics.json"])["gate"]
    assert verdict["refit"]["serves"] is serves
    assert json.loads(files[PROFILE])["embeddings"] == ({"item": {"rows": 7}} if serves else {"item": {"rows": 9}})
    assert verdict["reasons"][-1] == "It was checked."
    assert "- It was checked." in (tmp_path / "run" / "verdict.md").read_text(encoding="utf-8")
