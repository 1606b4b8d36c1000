"""``python -m pipelines schedule``: entries that are added, listed, removed and refused; and its file."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.__main__ import main
from pipelines.entries import Last, put, read_entries, record, remove, schedule_file
from pipelines.errors import BUSY, ScheduleError
from pipelines.lock import run_in_progress, scheduler_lock, state_lock
from pipelines.scheduler import Scheduler
from tests.pipelines.schedules import entry

SPEC = str(Path(__file__).resolve().parent.parent.parent / "configs" / "professional.yaml")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def schedule(state: Path, *options: str) -> int:
    return main(["schedule", "--spec", SPEC, "--state", str(state), *options])


def test_entries_are_saved_and_listed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule(state, "--cron", "0 3 * * *", "--save-only") == 0
    hourly = ("--cron", "5 * * * *", "--pipeline", "refresh", "--name", "hourly", "--timezone", "Europe/Berlin")
    assert schedule(state, *hourly, "--save-only") == 0
    record(state, "hourly", Last(datetime(2026, 3, 1, 5, 5, tzinfo=UTC), datetime.now(UTC), "no disk"))
    capsys.readouterr()
    assert schedule(state, "--list") == 0
    header, training, refresh = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["entry", "pipeline"]
    assert training.split()[:2] == ["training", "training"]
    assert "03:00 UTC" in training
    assert training.endswith("-")
    assert refresh.split()[:2] == ["hourly", "refresh"]
    assert refresh.endswith("2026-03-01 06:05 Europe/Berlin: failed")
    kept = read_entries(state)["training"]
    assert (kept.spec, kept.timezone, kept.data) == (SPEC, "UTC", None)
    json.loads(schedule_file(state).read_text(encoding="utf-8"))


def test_an_empty_schedule_lists_as_such_and_does_not_run(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schedule(state, "--list") == 0
    assert "no entries" in capsys.readouterr().out
    assert schedule(state) == 1
    assert "expected entries; found none. Add one with --cron" in capsys.readouterr().err
    assert not state.exists()


def test_the_command_adds_its_entry_and_runs(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.commands.schedule.signal.signal", lambda number, handler: handler())
    assert schedule(state, "--cron", "0 3 * * *") == 0  # the signal comes before it starts
    assert list(read_entries(state)) == ["training"]


def test_entries_are_removed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        put(state, entry(name))
    assert schedule(state, "--remove", "a") == 0
    assert list(read_entries(state)) == ["b"]
    assert schedule(state, "--remove", "a") == 1
    assert "expected an entry of" in capsys.readouterr().err
    with pytest.raises(ScheduleError, match="no entry"):
        remove(state / "other", "a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cron", "0 3 * *"], "--cron: expected five fields"),
        (["--cron", "0 3 * * *", "--timezone", "Mars"], "--timezone: expected a name such as Europe/Berlin"),
        (["--cron", "0 3 * * *", "--timezone", "../x"], "--timezone: expected a name"),
        (["--cron", "0 3 * * *", "--data", "/nowhere/raw"], "--data: expected a folder"),
        (["--cron", "0 3 * * *", "--name", "a\nb"], "--name: expected letters, digits and _ . -"),
        (["--cron", "0 3 * * *", "--name", ""], "--name: expected letters, digits and _ . -"),
        (["--cron", "0 3 * * *", "--spec", "/nowhere.yaml"], "/nowhere.yaml"),
        ([], "--save-only: expected an entry to save"),
    ],
)
def test_what_could_never_run_is_not_saved(
    options: list[str], message: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert schedule(state, *options, "--save-only") == 1
    assert message in capsys.readouterr().err
    assert not state.exists()


def test_a_second_scheduler_is_refused_and_changes_nothing(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(state, entry("training"))
    before = schedule_file(state).read_bytes()
    with scheduler_lock(state):
        assert schedule(state, "--cron", "0 4 * * *") == 1
        assert f"found one in progress (process {os.getpid()})" in capsys.readouterr().err
        assert schedule(state) == 1
        assert schedule_file(state).read_bytes() == before
        assert schedule(state, "--cron", "0 4 * * *", "--save-only") == 0
    assert read_entries(state)["training"].cron == "0 4 * * *"


def test_the_same_entry_again_keeps_what_it_missed_and_another_does_not(state: Path) -> None:
    old, new = entry("daily"), entry("daily", ago=timedelta(0))
    put(state, old)
    last = Last(old.since, old.since, None)
    record(state, "daily", last)
    put(state, new)
    assert (read_entries(state)["daily"].since, read_entries(state)["daily"].last) == (old.since, last)
    put(state, entry("daily", cron="0 4 * * *", ago=timedelta(0)))
    changed = read_entries(state)["daily"]
    assert changed.done > old.since + timedelta(days=2)
    assert changed.last == last
    record(state, "removed meanwhile", last)
    assert list(read_entries(state)) == ["daily"]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2, "entries": {}}', '{"format": 1, "entries": {"a": {}}}'])
def test_a_file_that_is_no_schedule_is_named(text: str, state: Path) -> None:
    state.mkdir()
    schedule_file(state).write_text(text, encoding="utf-8")
    with pytest.raises(ScheduleError, match=r"schedule.json: expected a schedule of format 1"):
        Scheduler(state).run()


def test_a_run_by_hand_is_seen_and_has_a_status_of_its_own(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not run_in_progress(state)
    assert not state.exists()
    with state_lock(state):
        assert run_in_progress(state)
        assert main(["local", "--spec", SPEC, "--state", str(state)]) == BUSY
        assert f"process {os.getpid()}" in capsys.readouterr().err
    assert not run_in_progress(state)


def test_a_run_ends_with_its_scheduler(state: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    command = [sys.executable, "-m", "pipelines", "local", "--spec", SPEC, "--state", str(state)]
    environment = {**os.environ, "HELIOGRAPH_RUNNER": str(gone.pid)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
