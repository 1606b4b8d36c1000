"""The training pipeline with a refit on the tiny world: what is registered, what serves, what later gates score."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.spec import Spec
from models.training.artifact import load_model
from serving.deployment import endpoint
from serving.versions.bundle import judged_model
from serving.versions.registry import model_name
from tests.pipelines.pipeline import Pipeline

pytestmark = pytest.mark.long(240)


@pytest.fixture(scope="module")
def pipeline(lenient_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    spec = lenient_spec.model_copy(update={"gate": lenient_spec.gate.model_copy(update={"refit": True})})
    pipeline = Pipeline(spec, tmp_path_factory.mktemp("refit") / "state")
    yield pipeline
    endpoint.down(pipeline.state)


@pytest.fixture(scope="module")
def trained(pipeline: Pipeline) -> str:
    """Output of a training run."""
    return pipeline.run("training")


def test_a_refit_is_registered_once_and_serves(pipeline: Pipeline, trained: str, tmp_path: Path) -> None:
    lines = trained.splitlines()
    steps = [line.removesuffix(": started") for line in lines if line.endswith(": started")]
    assert [step for step in steps if step != "monitor"][-5:] == [
        "register", "refit", "register", "push embeddings", "deploy",
    ]  # fmt: skip
    name, spec = model_name(pipeline.spec), pipeline.spec
    assert pipeline.registry.versions(name) == [pipeline.registry.champion(name)] == ["1"]
    bundle = pipeline.registry.download(name, "1", tmp_path / "bundle")
    assert load_model(bundle).seen_until == spec.last_gate_day.start
    assert load_model(judged_model(bundle)).seen_until == spec.span("gate").start
    (report,) = [Path(line.removeprefix("Report: ")) for line in lines if line.startswith("Report: ")]
    assert "They are a refit" in report.read_text(encoding="utf-8")


def test_monitoring_scores_what_serves_and_beside_it_the_judged_weights(pipeline: Pipeline, trained: str) -> None:
    pipeline.run("monitoring")
    made = pipeline.state.glob("pipeline/*/evaluate/evaluation/metrics.json")
    newest = max(made, key=lambda path: path.stat().st_mtime_ns)
    found = json.loads(newest.read_text(encoding="utf-8"))
    assert found["candidate_seen_until"] == pipeline.spec.last_gate_day.start
    assert (found["champion_version"], found["champion_unusable"]) == ("1", None)
    scores = found["windows"]["test"]["scores"]
    assert scores["candidate"]["click"]["log_loss"] != scores["champion"]["click"]["log_loss"]
