"""Pipelines on the tiny world with the real command: killed, run again with a refit, refreshed, monitored."""

import json
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_repo.applied import notes_in
from feature_repo.slots import read_slots, slot_of
from feature_repo.sources import read_manifest
from feature_repo.store import project_of
from models.clock import now
from models.spec import Spec
from models.time_units import moment
from models.training.artifact import load_model
from monitoring.verdict import State
from monitoring.verdicts import write_verdict
from serving.deployment import endpoint
from serving.versions.bundle import judged_model
from serving.versions.registry import model_name
from tests.monitoring.verdicts import verdict
from tests.pipelines.pipeline import Pipeline

pytestmark = pytest.mark.long(100)

STEPS = (
    "ingest", "materialize", "retrieve", "build graph", "train", "fit trees", "evaluate", "register", "refit",
    "monitor", "push embeddings", "deploy",
)  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(lenient_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A state folder on which the training pipeline, with a refit, was killed at three steps."""
    gate = lenient_spec.gate.model_copy(update={"refit": True})
    pipeline = Pipeline(lenient_spec.model_copy(update={"gate": gate}), tmp_path_factory.mktemp("pipeline") / "state")
    pipeline.kill_at("  table members")
    pipeline.kill_at("  materialized member_profile")
    pipeline.kill_at("deploy: started")
    yield pipeline
    endpoint.down(pipeline.state)


@pytest.fixture(scope="module")
def trained(pipeline: Pipeline) -> str:
    """Output of the first complete training run."""
    return pipeline.run("training")


def test_a_killed_run_leaves_nothing_half_written(pipeline: Pipeline) -> None:
    tables = list(pipeline.state.glob("pipeline/*/ingest/tables"))
    assert tables
    for folder in tables:
        listed = read_manifest(folder)["tables"]
        assert {f"{name}.parquet" for name in listed} | {"manifest.json"} == {p.name for p in folder.iterdir()}
    name = model_name(pipeline.spec)
    for version in pipeline.registry.versions(name):
        pipeline.registry.download(name, version, pipeline.state.parent / f"version-{version}")


def test_every_step_runs(trained: str) -> None:
    lines = trained.splitlines()
    for step in STEPS:
        assert f"{step}: started" in lines
    assert any(line.startswith("Promoted") for line in lines)


def test_a_refit_is_registered_once_and_serves(pipeline: Pipeline, trained: str, tmp_path: Path) -> None:
    lines = trained.splitlines()
    steps = [line.removesuffix(": started") for line in lines if line.endswith(": started")]
    assert [step for step in steps if step != "monitor"][-5:] == [
        "register", "refit", "register", "push embeddings", "deploy",
    ]  # fmt: skip
    name, spec = model_name(pipeline.spec), pipeline.spec
    assert pipeline.registry.versions(name) == ["1", "2"]  # of the run that was killed at the end, and of this one
    assert pipeline.registry.champion(name) == "2"
    bundle = pipeline.registry.download(name, "2", tmp_path / "bundle")
    assert load_model(bundle).seen_until == spec.last_gate_day.start
    assert load_model(judged_model(bundle)).seen_until == spec.span("gate").start
    (report,) = [Path(line.removeprefix("Report: ")) for line in lines if line.startswith("Report: ")]
    assert "They are a refit" in report.read_text(encoding="utf-8")


def test_artifacts_of_killed_runs_are_gone(pipeline: Pipeline, trained: str) -> None:
    """Except those with the tables that the feature store used when the last run started."""
    assert len(list(pipeline.state.glob("pipeline/*"))) <= 2
    assert not [path for path in pipeline.state.glob("pipeline/*/*/*") if path.name.startswith(".")]


def test_a_state_folder_holds_one_product(pipeline: Pipeline, trained: str) -> None:
    other = Pipeline(pipeline.spec.model_copy(update={"name": "other"}), pipeline.state)
    done = subprocess.run(other.command("training"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected the state of other; found that of professional" in done.stderr


def test_the_report_describes_the_run(pipeline: Pipeline, trained: str) -> None:
    (line,) = [line for line in trained.splitlines() if line.startswith("Report: ")]
    report = Path(line.removeprefix("Report: "))
    page = report.read_text(encoding="utf-8")
    assert report.is_relative_to(pipeline.state / "runs")
    for step in STEPS:
        assert step in page
    assert (report.parent / "drift.html").is_file()


def test_the_printed_curl_line_works(pipeline: Pipeline, trained: str) -> None:
    (line,) = [line for line in trained.splitlines() if "curl " in line]
    words = shlex.split(line[line.index("curl ") :])
    url = next(word for word in words if word.startswith("http"))
    request = urllib.request.Request(
        url, words[words.index("-d") + 1].encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        (slate,) = json.loads(response.read())["predictions"]
    assert slate["model_version"] == pipeline.registry.champion(model_name(pipeline.spec))
    assert not slate["member_cold"]
    assert not slate["fallback"]
    assert slate["stale"] == []  # the example carries the time of its data
    assert all(0 < item["probabilities"]["click"] < 1 for item in slate["slate"])
    assert not all(item["cold"] for item in slate["slate"])


def test_kfp_artifacts_are_there_to_look_at(pipeline: Pipeline, trained: str) -> None:
    run = max(pipeline.state.glob("pipeline/*"), key=lambda folder: folder.stat().st_mtime)
    outputs = json.loads((run / "evaluate" / "executor_output.json").read_text(encoding="utf-8"))["artifacts"]
    assert outputs["roc"]["artifacts"][0]["metadata"]["confidenceMetrics"]
    assert outputs["metrics"]["artifacts"][0]["metadata"]["auc"] > 0.4
    for page in ("ingest/summary", "register/verdict", "deploy-2/endpoint", "monitor/page", "report/page"):
        assert (run / page).stat().st_size > 20, page


def test_refresh_pushes_the_champions_vectors_again(pipeline: Pipeline, trained: str) -> None:
    version = pipeline.registry.champion(model_name(pipeline.spec)) or ""
    notes = notes_in(pipeline.state, project_of(pipeline.spec.name))
    before = read_slots(notes)
    printed = pipeline.run("refresh")
    assert "push embeddings: done" in printed
    assert "train: started" not in printed
    assert slot_of(notes, version) is not None
    assert read_slots(notes) == before  # of the same data
    assert (
        pipeline.state / "features" / pipeline.spec.name / f"member_vectors_{slot_of(notes, version)}.parquet"
    ).stat()


def test_monitoring_watches_the_champion(pipeline: Pipeline, trained: str) -> None:
    versions = pipeline.registry.versions(model_name(pipeline.spec))
    printed = pipeline.run("monitoring")
    assert "monitor: done" in printed
    assert pipeline.registry.versions(model_name(pipeline.spec)) == versions
    made = pipeline.state.glob("pipeline/*/evaluate/evaluation/metrics.json")
    newest = max(made, key=lambda path: path.stat().st_mtime_ns)
    found = json.loads(newest.read_text(encoding="utf-8"))
    assert found["candidate_seen_until"] == pipeline.spec.last_gate_day.start
    assert (found["champion_version"], found["champion_unusable"]) == ("2", None)
    scores = found["windows"]["test"]["scores"]  # of what serves, and beside it of the judged weights
    assert scores["candidate"]["click"]["log_loss"] != scores["champion"]["click"]["log_loss"]


def test_a_data_fault_freezes_training(pipeline: Pipeline, trained: str) -> None:
    today = moment(now()).date().isoformat()  # newer than what monitoring has judged
    write_verdict(str(pipeline.state), pipeline.spec.name, verdict(State.DATA_FAULT, today))
    versions = pipeline.registry.versions(model_name(pipeline.spec))
    printed = pipeline.run("training")
    assert "Frozen: nothing was trained" in printed
    assert [line for line in printed.splitlines() if line.endswith(": started")] == ["permission: started"]
    assert pipeline.registry.versions(model_name(pipeline.spec)) == versions
