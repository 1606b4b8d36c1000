"""One training as several processes that the launcher starts, on CPUs with gloo."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from models.configs.errors import ConfigError
from models.graph.store import TemporalGraph
from models.training import launch as launching
from models.training.errors import DivergedError, ProcessError
from models.training.files import write_json
from models.training.job import Job
from models.training.launch import CPU_PROCESSES, launch, processes_for
from models.training.refit import refit
from models.training.worker import error_file
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_distributed import ROOT, assert_equal, torchrun
from tests.models.training.test_train import files

LONG = replace(TRAINING, epochs=8, patience=8)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    small_graph().save(tmp_path / "graph")
    return Job(tmp_path / "graph", tmp_path / "out" / "model", MODEL, LONG)


def workers(launcher: int) -> dict[str, psutil.Process]:
    """By rank: the processes of a training that this process has started."""
    found = [one for one in psutil.Process(launcher).children() if "models.training.worker" in one.cmdline()]
    return {one.environ()["RANK"]: one for one in found}


def test_two_processes_train_the_model_that_torchrun_trains_also_after_one_was_killed(job: Job, tmp_path: Path) -> None:
    epochs, started = list[int](), list[psutil.Process]()

    def kill(metrics: dict[str, float], epoch: int) -> None:
        if not started:
            started.extend(workers(os.getpid()).values())
            workers(os.getpid())["1"].kill()

    with pytest.raises(ProcessError, match=r"^process 1 of 2: .* ended with SIGKILL: .*--resources.* checkpoint$"):
        launch(job, 2, "cpu", kill)
    assert len(started) == 2
    assert not any(one.is_running() for one in started)
    assert not job.out.exists()

    summary = launch(job, 2, "cpu", lambda metrics, epoch: epochs.append(epoch))
    assert 1 < epochs[0] <= epochs[-1] == summary["epochs_run"]
    write_json(tmp_path / "model.json", vars(MODEL))
    write_json(tmp_path / "training.json", vars(LONG))
    places = ["--graph", str(job.graph), "--out", str(tmp_path / "torchrun" / "model"), "--device", "cpu"]
    sizes = ["--model", str(tmp_path / "model.json"), "--training", str(tmp_path / "training.json")]
    found = torchrun("-m", "models.training", *places, *sizes)
    assert found.returncode == 0, found.stderr
    assert_equal(job.out, tmp_path / "torchrun" / "model")


def test_an_error_of_the_training_is_the_launchers_too(job: Job) -> None:
    with pytest.raises(DivergedError, match="lower learning_rate"):
        launch(replace(job, training=replace(LONG, learning_rate=1e30)), 2, "cpu")


def test_the_processes_end_with_a_launcher_that_is_killed(job: Job) -> None:
    script = (
        "import sys; from pathlib import Path; from models.training.job import Job; "
        "from models.training.launch import launch; "
        "launch(Job.parse(Path(sys.argv[1]).read_text()), 2, 'cpu', lambda metrics, epoch: print('epoch', flush=True))"
    )
    endless = replace(job, training=replace(LONG, epochs=5000, patience=5000))
    (job.graph.parent / "job.json").write_text(endless.text())
    command = [sys.executable, "-c", script, str(job.graph.parent / "job.json")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        assert any(line == "epoch\n" for line in launcher.stdout)
        started = list(workers(launcher.pid).values())
        launcher.kill()
        assert len(started) == 2
        assert not psutil.wait_procs(started, timeout=30)[1]


def test_one_process_is_this_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a refit, which is given to another process as it is."""
    monkeypatch.setattr(launching, "_started", lambda *_: pytest.fail("a process"))
    short = replace(job, training=replace(TRAINING, epochs=1))
    assert launch(short, 1, "cpu")["epochs"] == 1
    until = small_graph().schema.window("gate").end
    again = Job(job.graph, job.out.parent / "again", judged=job.out, until=until, checkpoint=str(job.out.parent / "c"))
    assert Job.parse(again.text()) == again
    launch(again, 1, "cpu")
    refit(TemporalGraph.load(job.graph), job.out, until, job.out.parent / "direct", "cpu")
    assert files(again.out) == files(job.out.parent / "direct")


def told(folder: Path, rank: int, at: float, kind: str = "RuntimeError", system: bool = False) -> None:
    write_json(error_file(folder, rank), {"kind": kind, "message": f"from {rank}", "system": system, "time": at})


def ended(*statuses: int | None) -> Any:
    return [SimpleNamespace(poll=lambda status=status: status) for status in statuses]


def test_the_first_failure_is_named_and_not_what_it_causes(tmp_path: Path) -> None:
    launching._raise_failure(tmp_path, ended(None, 0))
    told(tmp_path, 0, at=20.0)
    with pytest.raises(ProcessError, match=r"process 1 of 2: .* exit status 3"):
        launching._raise_failure(tmp_path, ended(1, 3))
    told(tmp_path, 1, at=10.0)
    with pytest.raises(ProcessError, match=r"process 1 of 2: .* found RuntimeError: from 1: see its trace"):
        launching._raise_failure(tmp_path, ended(1, None))
    told(tmp_path, 0, at=5.0, kind="ConfigError")
    with pytest.raises(ConfigError, match=r"^from 0$"):
        launching._raise_failure(tmp_path, ended(None, None))


@pytest.mark.parametrize(
    ("kind", "system", "message"),
    [
        ("OutOfMemoryError", False, "raise training.accumulate"),
        ("OSError", True, "^process 0 of 2: from 0; then run the step again"),
    ],
)
def test_what_to_do_depends_on_the_error(kind: str, system: bool, message: str, tmp_path: Path) -> None:
    told(tmp_path, 0, at=0.0, kind=kind, system=system)
    with pytest.raises(ProcessError, match=message):
        launching._raise_failure(tmp_path, ended(None, None))


def test_a_process_per_gpu_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert [processes_for(count) for count in ("0", "1", "4")] == [(1, None), (1, "cuda"), (4, "cuda")]
    for count in ("-1", "two", "1.5", "", "²"):
        with pytest.raises(ProcessError, match="accelerator_count: expected a whole number, 0 or more; found"):
            processes_for(count)
    with pytest.raises(ProcessError, match="expected at most 4, the GPUs that this step sees; found 5"):
        processes_for("5")
    monkeypatch.setenv(CPU_PROCESSES, "3")
    assert processes_for("0") == (3, "cpu")


def test_more_processes_than_gpus_are_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ProcessError, match="processes: expected at most 1, one per GPU; found 2"):
        launch(job, 2, "cuda")
    with pytest.raises(ProcessError, match="processes: expected a whole number, 1 or more; found 0"):
        launch(job, 0)


@pytest.mark.parametrize(("given", "threads"), [("", 4), ("2", 2), ("16", 4), ("x", 4)])
def test_processes_share_the_cpus(given: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "usable_cpus", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert launching._threads(2) == threads


def test_what_process_0_says_is_passed_on_once_and_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its log lines as well: that a training goes on from a copy, or that a copy failed."""
    file, found = tmp_path / "progress.jsonl", list[tuple[dict[str, float], int]]()
    progress = launching._Progress(file, lambda metrics, epoch: found.append((metrics, epoch)))
    progress.relay()
    file.write_text('{"metrics": {"loss": 0.5}, "epoch": 1}\n{"log": "not copied", "level": 30}\n{"metrics": {"lo')
    progress.relay()
    progress.relay()
    assert found == [({"loss": 0.5}, 1)]
    with file.open("a") as stream:
        stream.write('ss": NaN}, "epoch": 2}\n')
    progress.relay()
    assert [epoch for _, epoch in found] == [1, 2]
    assert [(one.levelname, one.message) for one in caplog.records] == [("WARNING", "not copied")]
