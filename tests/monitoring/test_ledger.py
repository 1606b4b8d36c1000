import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.errors import LedgerError
from monitoring.ledger import Ledger


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> str:
    """One MLflow database for all tests: creating it takes seconds."""
    address = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    Ledger(address, "first", "small")
    return address


def test_an_empty_ledger_reads_as_an_empty_record(address: str, tmp_path: Path) -> None:
    record = Ledger(address, "empty", "small").read(tmp_path)
    assert (record.steps, record.metrics, record.curves, record.notes, record.artifacts) == ([], {}, {}, {}, {})
    assert record.failure is None
    assert record.started > 1_700_000_000_000_000


def test_what_one_process_writes_another_reads(address: str, tmp_path: Path) -> None:
    writer = Ledger(address, "shared", "small")
    (tmp_path / "page.html").write_text("<p>drift</p>", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a", encoding="utf-8")
    with writer.step("ingest"):
        writer.note("data", {"impressions": "ab" * 32})
    with writer.step("build graph"):
        writer.note("long", ["x" * 100] * 200)
    with writer.step("train"):
        for step in (1, 0, 1):  # training that went on after a kill logs a step again
            writer.series({"loss": 1.0 / (step + 1), "nothing": None}, step)
        writer.series({"loss": 0.4}, 1)
    writer.metrics({"test_auc": 0.75, "undefined": None, "nan": math.nan})
    writer.artifact(tmp_path / "page.html", "report/drift.html")
    writer.artifact(tmp_path / "folder", "folder")
    record = Ledger(address, "shared", "small").read(tmp_path / "copy")
    assert [(step.name, step.status, step.attempts) for step in record.steps] == [
        ("ingest", "ok", 1),
        ("build graph", "ok", 1),
        ("train", "ok", 1),
    ]
    assert all(step.seconds is not None and step.seconds >= 0 for step in record.steps)
    assert record.notes == {"data": {"impressions": "ab" * 32}, "long": ["x" * 100] * 200}
    assert record.curves == {"loss": [(0, 1.0), (1, 0.4)]}
    assert record.metrics["test_auc"] == 0.75
    assert sorted(record.artifacts) == ["folder/a.txt", "report/drift.html"]
    assert record.artifacts["report/drift.html"].read_text(encoding="utf-8") == "<p>drift</p>"


def test_a_failed_step_keeps_the_first_line_of_its_error_and_the_error_goes_on(address: str, tmp_path: Path) -> None:
    ledger = Ledger(address, "failed", "small")
    with pytest.raises(ValueError, match="bad column"), ledger.step("ingest"):
        raise ValueError("bad column\nand a long story")
    record = ledger.read(tmp_path / "a")
    assert record.failure is not None
    assert (record.failure.name, record.failure.status) == ("ingest", "failed")
    assert record.failure.error == "ValueError: bad column"
    with ledger.step("ingest"):
        pass
    record = ledger.read(tmp_path / "b")
    assert record.failure is None
    assert [(step.name, step.status, step.attempts) for step in record.steps] == [("ingest", "ok", 2)]


def test_a_step_taken_twice_is_two_steps(address: str, tmp_path: Path) -> None:
    ledger = Ledger(address, "twice", "small")
    for _ in range(2):
        with ledger.step("train"):
            pass
    assert [step.name for step in ledger.read(tmp_path).steps] == ["train", "train 2"]


def test_a_step_of_a_killed_process_reads_as_interrupted(address: str, tmp_path: Path) -> None:
    child = (
        "import sys, time\n"
        "from monitoring.ledger import Ledger\n"
        f"with Ledger({address!r}, 'killed', 'small').step('train'):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    ledger = Ledger(address, "killed", "small")
    step = ledger.read(tmp_path).steps[0]
    assert (step.name, step.status, step.seconds) == ("train", "interrupted", None)


def test_a_step_that_is_open_here_is_running_not_interrupted(address: str, tmp_path: Path) -> None:
    ledger = Ledger(address, "open", "small")
    with ledger.step("report"):
        assert ledger.read(tmp_path).steps[0].status == "running"


@pytest.mark.parametrize(
    ("state", "fails", "status"),
    [("SUCCEEDED", False, "FINISHED"), ("FAILED", False, "FAILED"), (None, True, "FAILED")],
)
def test_closing_sets_the_status_that_mlflow_shows(address: str, state: str | None, fails: bool, status: str) -> None:
    from mlflow import MlflowClient

    ledger = Ledger(address, f"closed {state} {fails}", "small")
    try:
        with ledger.step("ingest"):
            if fails:
                raise ValueError("no")
    except ValueError:
        pass
    ledger.close(state)
    assert MlflowClient(address).get_run(ledger._run_id).info.status == status


@pytest.mark.parametrize("name", ["", "../up", "/root", "a\nb", "x" * 300])
def test_names_that_would_lead_elsewhere_are_refused(address: str, tmp_path: Path, name: str) -> None:
    ledger = Ledger(address, "names", "small")
    with pytest.raises(LedgerError, match="expected letters"):
        ledger.artifact(tmp_path, name)
    with pytest.raises(LedgerError, match="expected letters"):
        ledger.note(name, 1)


def test_a_missing_artifact_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="expected a file or folder"):
        Ledger(address, "names", "small").artifact(tmp_path / "none", "none")


def test_an_artifact_has_a_page_in_mlflow_whose_address_shows_no_password(address: str) -> None:
    ledger = Ledger(address, "page", "small")
    run = f"runs/{ledger._run_id}"
    assert ledger.address("report/index.html") == f"runs:/{ledger._run_id}/report/index.html"
    ledger.tracking_uri = "https://me:secret@mlflow:5000/"
    found = ledger.address("report/index.html")
    assert re.fullmatch(rf"https://mlflow:5000/#/experiments/\d+/{run}/artifacts/report/index.html", found)


def test_a_server_that_does_not_respond_is_one_clear_error(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(LedgerError, match=r"expected MLflow at http://127.0.0.1:9 to respond"):
        Ledger("http://127.0.0.1:9", "run", "small")
    with pytest.raises(LedgerError, match="expected a tracking address"):
        Ledger("nowhere://x", "run", "small")


def test_nothing_is_sent_to_mlflow(address: str) -> None:
    from mlflow.telemetry.utils import is_telemetry_disabled

    Ledger(address, "quiet", "small")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert is_telemetry_disabled()
