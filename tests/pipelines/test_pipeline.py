"""Pipelines on the tiny world with the real command: killed, run again, refreshed, monitored, compared."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from feature_repo.push import slot_of
from feature_repo.sources import read_manifest
from models.spec import Spec
from serving.deployment import endpoint
from serving.versions.registry import Registry, model_name

STATIONS = (
    "ingest", "materialize", "retrieve", "build graph", "train", "evaluate", "register", "monitor", "push embeddings",
    "deploy",
)  # fmt: skip


@dataclass
class Pipeline:
    """A state folder, and the command over it."""

    spec: Spec
    state: Path

    def command(self, pipeline: str) -> list[str]:
        file = self.state.parent / "tiny.json"
        file.write_text(self.spec.model_dump_json(by_alias=True), encoding="utf-8")
        arguments = ["--pipeline", pipeline, "--spec", str(file), "--state", str(self.state)]
        return [sys.executable, "-m", "pipelines", "local", *arguments]

    def run(self, pipeline: str) -> str:
        done = subprocess.run(self.command(pipeline), capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill_at(self, line: str) -> None:
        """Start the training pipeline, kill its runner with SIGKILL once ``line`` is printed, await its components."""
        runner = subprocess.Popen(self.command("training"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert runner.stdout is not None
        seen = next((printed for printed in runner.stdout if printed.startswith(line)), None)
        assert seen is not None, f"the run ended before {line!r}"
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        deadline = time.monotonic() + 30
        while _components_of(runner.pid):
            assert time.monotonic() < deadline, "components outlived their runner"
            time.sleep(0.05)

    @property
    def registry(self) -> Registry:
        return Registry(f"sqlite:///{self.state}/mlflow/mlflow.db")


def _components_of(runner: int) -> list[int]:
    """Processes that a runner has started, found by an environment variable that they inherit."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if f"HELIOGRAPH_RUNNER={runner}\0".encode() in environment + b"\0":
                found.append(int(process.name))
    return found


@pytest.fixture(scope="module")
def pipeline(tiny_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A state folder on which the training pipeline was killed at three steps."""
    margins = dict.fromkeys(("margin", "floor_margin", "other_margin"), 0.45)
    bounds = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    lenient = tiny_spec.gate.model_copy(update={**margins, **bounds})
    spec = tiny_spec.model_copy(update={"gate": lenient})
    pipeline = Pipeline(spec, tmp_path_factory.mktemp("pipeline") / "state")
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


def test_every_station_is_passed(trained: str) -> None:
    lines = trained.splitlines()
    for station in STATIONS:
        assert f"{station}: started" in lines
    assert any(line.startswith("Promoted") for line in lines)


def test_artifacts_of_killed_runs_are_gone(pipeline: Pipeline, trained: str) -> None:
    """But those on whose tables the feature store stood when the last run began."""
    assert len(list(pipeline.state.glob("pipeline/*"))) <= 2
    assert not [path for path in pipeline.state.glob("pipeline/*/*/*") if path.name.startswith(".")]


def test_a_state_folder_holds_one_product(pipeline: Pipeline, trained: str) -> None:
    other = Pipeline(pipeline.spec.model_copy(update={"name": "other"}), pipeline.state)
    done = subprocess.run(other.command("training"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected the state of other; found that of professional" in done.stderr


def test_the_report_tells_the_run(pipeline: Pipeline, trained: str) -> None:
    (line,) = [line for line in trained.splitlines() if line.startswith("Report: ")]
    report = Path(line.removeprefix("Report: "))
    page = report.read_text(encoding="utf-8")
    assert report.is_relative_to(pipeline.state / "runs")
    for station in STATIONS:
        assert station in page
    assert (report.parent / "drift.html").is_file()


def test_the_printed_curl_line_works(pipeline: Pipeline, trained: str) -> None:
    (line,) = [line for line in trained.splitlines() if "curl " in line]
    words = shlex.split(line[line.index("curl ") :])
    url = next(word for word in words if word.startswith("http"))
    request = urllib.request.Request(
        url, words[words.index("-d") + 1].encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        (slate,) = json.loads(answer.read())["predictions"]
    assert slate["model_version"] == pipeline.registry.champion(model_name(pipeline.spec))
    assert not slate["member_cold"]
    assert not slate["fallback"]
    assert all(0 < item["probabilities"]["click"] < 1 for item in slate["slate"])
    assert not all(item["cold"] for item in slate["slate"])


def test_kfp_artifacts_are_there_to_look_at(pipeline: Pipeline, trained: str) -> None:
    run = max(pipeline.state.glob("pipeline/*"), key=lambda folder: folder.stat().st_mtime)
    outputs = json.loads((run / "evaluate" / "executor_output.json").read_text(encoding="utf-8"))["artifacts"]
    assert outputs["roc"]["artifacts"][0]["metadata"]["confidenceMetrics"]
    assert outputs["metrics"]["artifacts"][0]["metadata"]["auc"] > 0.4
    for page in ("ingest/summary", "register/verdict", "deploy/endpoint", "monitor/page", "report/page"):
        assert (run / page).stat().st_size > 20, page


def test_refresh_pushes_the_champions_vectors_again(pipeline: Pipeline, trained: str) -> None:
    version = pipeline.registry.champion(model_name(pipeline.spec)) or ""
    slot = slot_of(pipeline.state, version)
    file = pipeline.state / "feast" / "pushed" / f"member_vectors_{slot}.parquet"
    before = os.stat(file).st_mtime_ns
    printed = pipeline.run("refresh")
    assert "push embeddings: done" in printed
    assert "train: started" not in printed
    assert slot_of(pipeline.state, version) == slot
    assert os.stat(file).st_mtime_ns > before


def test_monitoring_watches_the_champion(pipeline: Pipeline, trained: str) -> None:
    versions = pipeline.registry.versions(model_name(pipeline.spec))
    printed = pipeline.run("monitoring")
    assert "monitor: done" in printed
    assert pipeline.registry.versions(model_name(pipeline.spec)) == versions


def test_comparison_prints_both_and_the_interval(pipeline: Pipeline) -> None:
    printed = pipeline.run("comparison")
    assert "single-domain" in printed
    assert "cross-domain" in printed
    assert "95% interval" in printed
