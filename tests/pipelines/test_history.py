"""``python -m pipelines history``: a line per run, newest last."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.addresses import sqlite_address
from monitoring.ledger import Ledger
from pipelines.__main__ import main
from pipelines.entries import Last, put, record
from pipelines.lock import state_lock
from tests.mlflow_database import add_database
from tests.pipelines.schedules import entry

WINDOWS = {"start": "2026-03-02", "end": "2026-04-30", "windows": {}}
CLUSTER_RUN = "0b5a1f3c-7d2e-4f5a-9b8c-1d2e3f4a5b6c"


KILLED: list[Any] = []
"""Steps whose end is never recorded, as if their process were gone."""


def run(address: str, name: str, pipeline: str, notes: dict[str, Any], step: str = "ingest", end: str = "ok") -> None:
    """A run with one step. ``end``: ok, failed, lost (no step failed, but the run) or killed."""
    ledger = Ledger(address, name, "professional", pipeline)
    entered = ledger.step(step)
    entered.__enter__()
    for key, note in notes.items():
        ledger.note(key, note)
    if end == "killed":
        KILLED.append(entered)
        return
    if end == "failed":
        error = MemoryError("no memory left " + "x" * 200)
        entered.__exit__(MemoryError, error, None)
    else:
        entered.__exit__(None, None, None)
    ledger.close("FAILED" if end in ("failed", "lost") else "SUCCEEDED")


def verdict(decision: str, version: str) -> dict[str, Any]:
    return {"decision": decision, "version": version, "reasons": ["AUC is 0.01 below the champion's", "more"]}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("history") / "state"
    address = sqlite_address(state / "mlflow" / "mlflow.db")
    promoted = {"verdict": verdict("promote", "1"), "endpoint": {"version": "1", "percent": 100}, "windows": WINDOWS}
    run(address, "20260501-030000", "training", promoted)
    run(address, "20260502-030000", "training", {"verdict": verdict("hold", "2")})
    canary = {"verdict": verdict("promote", "3"), "endpoint": {"version": "3", "percent": 10}}
    run(address, "20260503-030000", "training", canary)
    run(address, "20260503-040000-2", "refresh", {}, "materialize", "failed")
    run(address, "20260503-050000", "monitoring", {}, "evaluate", "lost")
    run(address, "20260504-030000", "training", {}, "train", "killed")
    run(address, CLUSTER_RUN, "comparison", {}, "train", "killed")
    put(state, entry("daily"))
    record(state, "daily", Last(datetime(2026, 5, 4, 3, tzinfo=UTC), datetime.now(UTC), "spec.yaml: no such file"))
    return state


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert main(["history", *options]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_frozen_run_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_database(tmp_path)
    address = sqlite_address(tmp_path / "mlflow" / "mlflow.db")
    run(address, "20260501-030000", "training", {"frozen": "small is frozen since 2026-04-30: data fault."})
    run(address, "20260501-040000", "act", {"act": {"kind": "frozen", "reason": "data fault features.null"}}, "decide")
    lines = shown(capsys, "--state", str(tmp_path))
    assert "frozen" in lines[1]
    assert lines[2] == "  small is frozen since 2026-04-30: data fault."
    assert lines[4] == "  frozen: data fault features.null"


def test_a_line_per_run_and_the_reasons_under_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "--state", str(state))
    assert max(map(len, lines)) <= 100
    rows = [re.split(r"\s{2,}", line) for line in lines if line[0] != " "]
    assert rows[0] == ["run", "pipeline", "started", "took", "outcome", "windows", "gate", "serves"]
    without_times = [[*row[:2], *row[4:]] for row in rows[1:8]]
    assert without_times == [
        ["20260501-030000", "training", "ok", "2026-03-02..04-30", "promote 1", "1"],
        ["20260502-030000", "training", "ok", "-", "hold 2", "1"],
        ["20260503-030000", "training", "ok", "-", "promote 3", "1"],
        ["20260503-040000-2", "refresh", "failed", "-", "-", "1"],
        ["20260503-050000", "monitoring", "failed", "-", "-", "1"],
        ["20260504-030000", "training", "interrupted", "-", "-", "1"],
        [CLUSTER_RUN[:8], "comparison", "interrupted", "-", "-", "1"],
    ]
    details = [line.strip() for line in lines if line[0] == " "]
    assert details[0] == "held: AUC is 0.01 below the champion's"
    assert details[1].startswith("at materialize: MemoryError: no memory left xxx")
    assert details[2] == "outside of its steps: see the log of the run"
    assert details[3:] == ["at train", "at train"]
    assert lines[-2:] == [
        "scheduled daily of 2026-05-04 03:00 UTC failed: spec.yaml: no such file",
        "champion of professional now: none",
    ]


def test_the_newest_run_is_running_while_the_state_is_held(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with state_lock(state):
        found = json.loads("\n".join(shown(capsys, "--state", str(state), "--json")))
    assert [(one["run"], one["outcome"], one["detail"]) for one in found][-2:] == [
        ("20260504-030000", "interrupted", "at train"),
        (CLUSTER_RUN, "running", "at train"),
    ]


def test_json_has_all_of_it(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads("\n".join(shown(capsys, "--state", str(state), "--json")))
    assert len(found) == 7
    first = found[0]
    assert first.pop("seconds") >= 0
    assert datetime.fromisoformat(first.pop("started")).tzinfo is not None
    assert first == {
        "run": "20260501-030000", "product": "professional", "pipeline": "training", "outcome": "ok", "detail": None,
        "windows": WINDOWS, "decision": "promote", "version": "1",
        "reasons": ["AUC is 0.01 below the champion's", "more"], "champion": "1",
    }  # fmt: skip


def test_a_product_by_the_address_of_mlflow(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    address = ["--tracking-uri", sqlite_address(state / "mlflow" / "mlflow.db")]
    found = json.loads("\n".join(shown(capsys, *address, "--product", "professional", "--json")))
    # no lock says what runs: the newest of each pipeline may
    assert [one["outcome"] for one in found][-2:] == ["running", "running"]
    assert shown(capsys, *address, "--product", "other")[0].startswith("no runs of other at sqlite")
    assert not list(tmp_path.iterdir())


def test_an_empty_state_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    assert shown(capsys, "--state", str(state)) == [
        f"no runs in {state}; python -m pipelines local --state {state} starts one"
    ]
    assert shown(capsys, "--state", str(state), "--json") == ["[]"]
    assert not state.exists()


def test_half_an_address_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--tracking-uri", "http://mlflow"]) == 1
    assert "expected --tracking-uri and --product together" in capsys.readouterr().err
