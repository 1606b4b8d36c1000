"""The register component: the bundle and the tags of a new version."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kfp import dsl

from components.register import register
from components.services import Services
from models.training.files import write_json
from serving.versions.bundle import verify_bundle
from serving.versions.prior import FILE, Prior
from serving.versions.registry import BEST, GATE
from tests.components.specs import artifact
from tests.mlflow_database import add_database
from tests.monitoring.fakes import fake_predictions, small_spec


class FakeRegistry:
    """Keeps the prior and the tags of the version that it is given."""

    prior: Prior
    tags: dict[str, Any]

    def __init__(self, tracking_uri: str) -> None:
        assert tracking_uri.startswith("sqlite:///")

    def champion(self, name: str) -> None:
        return None

    def log_version(self, name: str, bundle: Path, tags: dict[str, Any]) -> str:
        verify_bundle(bundle)
        FakeRegistry.prior, FakeRegistry.tags = Prior.read(bundle / FILE), tags
        return "5"


def registered(
    folder: Path,
    later: list[dict[str, Any]],
    predictions: pd.DataFrame | None = None,
    metrics: dict[str, Any] | None = None,
) -> tuple[str, dict[str, list[float]]]:
    """The decision, and the prior of items 7, 8 and 9, with the rows ``later`` after the train window."""
    folder.mkdir()
    inputs = {name: folder / name for name in ("tables", "training_set", "graph", "model", "evaluation")}
    for path in inputs.values():
        path.mkdir()
        write_json(path / "manifest.json", {})
    train = [{"item": item, "window": "train", "clicked": item == 7, "liked": item == 8} for item in (7, 8) * 30]
    pd.DataFrame(train + later).to_parquet(inputs["training_set"] / "impressions.parquet")
    for name in ("training.json", "manifest.json"):
        write_json(inputs["model"] / name, {})
    spec = small_spec()
    predictions = fake_predictions(spec) if predictions is None else predictions
    predictions.to_parquet(inputs["evaluation"] / "predictions.parquet")
    write_json(inputs["evaluation"] / "metrics.json", metrics or {})
    store = Path(__file__).resolve().parent.parent.parent / "feature_repo" / "feature_store.yaml"
    add_database(folder / "state")
    decision = register.python_func(
        spec=artifact(spec, folder),
        services=Services.embedded("run-1", folder / "state", store).to_json(),
        **{name: dsl.Artifact(name=name, uri=str(path)) for name, path in inputs.items()},
        version=str(folder / "out" / "version"),
        verdict=dsl.Markdown(name="verdict", uri=str(folder / "verdict.md")),
    )
    assert (folder / "out" / "version").read_text(encoding="utf-8") == "5"
    return decision, {task: rates.tolist() for task, rates in FakeRegistry.prior.probabilities([7, 8, 9]).items()}


def test_the_prior_is_of_the_train_window_whatever_came_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    later = [
        {"item": item, "window": window, "clicked": item != 7, "liked": True}
        for item in (7, 8, 9)
        for window in ("validate", "gate", "test")
    ]
    decision, prior = registered(tmp_path / "plain", [])
    assert decision == "promote"
    assert prior["click"] == pytest.approx([0.8, 0.2, 0.5])  # (30 + 20 * 0.5) / 50, (20 * 0.5) / 50, all together
    assert prior["like"] == pytest.approx([0.2, 0.8, 0.5])
    assert registered(tmp_path / "later", later * 100) == (decision, prior)


@pytest.mark.parametrize(("passes", "best"), [(True, {}), (False, {BEST: "3"})])
def test_the_version_s_tags_tell_the_gate_s_decision_and_the_best_version(
    passes: bool, best: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    noise = {"candidate": 0.05 if passes else 2.0, "champion": 1.0, "version_3": 0.4, "floor": 2.5}
    metrics = {"champion_version": "4", "earlier": {"scored": ["3"], "skipped": {}, "best": "3"}}
    decision, _ = registered(tmp_path / "run", [], fake_predictions(small_spec(), noise=noise), metrics)
    assert decision == ("promote" if passes else "hold")
    assert FakeRegistry.tags == {"run": "run-1", GATE: decision, **best}
