"""The schedule of a state folder runs once per fire time, one run at a time, whatever is killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.triggers.cron import CronTrigger

from pipelines.entries import Entry, Last, correct, put, read_entries, remove
from pipelines.lock import state_lock
from pipelines.scheduler import local_command, trigger_of
from tests.pipelines.schedules import Running, command, entry, noted, wait

PROCESS = """
import sys
from functools import partial
from pathlib import Path
from pipelines.commands import schedule
from tests.pipelines.schedules import command
schedule.Scheduler = partial(schedule.Scheduler, command=command, reload_seconds=0.05, retry_seconds=0.05)
sys.exit(schedule._run(Path(sys.argv[1]), None))
"""

FAILS = "open(sys.argv[2] + '/log', 'a').write('often start 0\\n'); sys.exit('error: out of luck')"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def go(state: Path) -> None:
    """Let runs end."""
    (state.parent / "go").touch()


def outcome(state: Path, name: str) -> str | None:
    """How an entry ran last; empty if it did not."""
    last = read_entries(state)[name].last
    return "" if last is None else last.reason or "ok"


@contextmanager
def process(state: Path) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(state)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def test_the_run_that_a_killed_scheduler_had_begun_is_repeated_once(state: Path) -> None:
    put(state, entry("daily"))
    with process(state) as first:
        wait(lambda: noted(state.parent, "start"))
        first.send_signal(signal.SIGKILL)
        first.wait()
    pid = int((state.parent / "log").read_text(encoding="utf-8").split()[-1])
    wait(lambda: not Path(f"/proc/{pid}").exists())
    assert outcome(state, "daily") == ""
    with process(state) as second:
        wait(lambda: len(noted(state.parent, "start")) == 2)
        go(state)
        wait(lambda: outcome(state, "daily") == "ok")
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
    with process(state) as third:
        assert third.stdout is not None
        line = next(line for line in third.stdout if "next run at" in line)
    assert line.rstrip().endswith(" 03:00 UTC")
    assert noted(state.parent) == ["daily start", "daily start", "daily end"]


def test_sigterm_ends_the_run_and_the_next_start_repeats_it(state: Path) -> None:
    put(state, entry("daily"))
    with process(state) as running:
        wait(lambda: noted(state.parent, "start"))
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert running.stdout is not None
        printed = running.stdout.read()
    pid = int((state.parent / "log").read_text(encoding="utf-8").split()[-1])
    assert not Path(f"/proc/{pid}").exists()
    assert "the run in progress is ended; the next start repeats it" in printed
    assert printed.endswith("schedule: stopped\n")
    assert outcome(state, "daily") == ""


def test_entries_that_fall_together_run_one_after_the_other(state: Path) -> None:
    for name in ("a", "b", "c"):
        put(state, entry(name))
    with Running(state):
        wait(lambda: noted(state.parent, "start"))
        for _ in range(2):  # as long as the others would need to start
            subprocess.run([sys.executable, "-c", "import components.step"], check=True)
        assert len(noted(state.parent)) == 1
        go(state)
        wait(lambda: all(outcome(state, name) == "ok" for name in "abc"))
    lines = noted(state.parent)
    assert sorted(lines) == sorted(f"{name} {what}" for name in "abc" for what in ("start", "end"))
    for start, end in zip(lines[::2], lines[1::2], strict=True):
        assert (start.split()[0], start.split()[1], end.split()[1]) == (end.split()[0], "start", "end")


def test_an_entry_that_is_always_due_leaves_turns_to_the_others(state: Path) -> None:
    def slow(one: Entry, folder: Path) -> list[str]:
        longer_than_a_second = "import time; begin = time.time()\nwhile time.time() < begin + 1.1: pass"
        return [sys.executable, "-c", longer_than_a_second] if one.name == "a" else command(one, folder)

    for name in ("a", "b"):
        put(state, entry(name))
    go(state)

    def trigger(one: Entry) -> CronTrigger:
        return CronTrigger(second="*", timezone="UTC") if one.name == "a" else trigger_of(one)

    with Running(state, {"command": slow, "trigger": trigger}):
        wait(lambda: outcome(state, "b") == "ok", 30)
        first = read_entries(state)["a"].last
        wait(lambda: read_entries(state)["a"].last != first, 30)


def test_a_long_outage_is_made_up_for_by_one_run(state: Path) -> None:
    put(state, entry("minutely", cron="* * * * *", ago=timedelta(days=900)))
    go(state)
    before = datetime.now(UTC)
    with Running(state):
        wait(lambda: outcome(state, "minutely") == "ok")
    fired = read_entries(state)["minutely"].last
    assert fired is not None
    assert before - timedelta(minutes=1) < fired.fire <= datetime.now(UTC)
    assert len(noted(state.parent, "start")) <= 2  # 2 if a minute began meanwhile


def test_nothing_runs_before_the_first_fire_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(state, entry("daily", ago=timedelta(0)))
    printed = ""
    with Running(state):

        def said() -> bool:
            nonlocal printed
            printed += capsys.readouterr().out
            return "daily: next run at" in printed

        wait(said)
    assert noted(state.parent) == []


def test_every_fire_time_starts_a_run_and_a_failed_one_does_not_end_the_schedule(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails_first(one: Entry, folder: Path) -> list[str]:
        if noted(folder.parent, "start"):
            return command(one, folder)
        return [*command(one, folder)[:2], "import sys; " + FAILS, one.name, str(folder.parent)]

    put(state, entry("often", ago=timedelta(0)))
    go(state)
    reasons = []
    with Running(state, {"command": fails_first, "trigger": lambda one: CronTrigger(second="*", timezone="UTC")}):
        wait(lambda: outcome(state, "often"))
        reasons.append(outcome(state, "often"))
        wait(lambda: len(noted(state.parent, "end")) >= 2)
        wait(lambda: outcome(state, "often") == "ok")
    assert reasons == ["out of luck"]
    printed = capsys.readouterr()
    assert "FAILED (exit status 1)" in printed.out
    assert "error: out of luck" in printed.err


def test_a_run_by_hand_is_waited_for_until_the_next_fire_time(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(state, entry("often", ago=timedelta(seconds=2)))
    go(state)
    printed = ""

    def said(text: str) -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        return text in printed

    with ExitStack() as by_hand:
        by_hand.enter_context(state_lock(state))
        with Running(state, {"trigger": lambda one: CronTrigger(second="*", timezone="UTC")}):
            wait(lambda: said("is skipped"))
            assert noted(state.parent) == []
            assert outcome(state, "often") == ""
            by_hand.close()
            wait(lambda: outcome(state, "often") == "ok")


def test_a_run_that_finds_the_folder_in_use_waits_too(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def busy_first(one: Entry, folder: Path) -> list[str]:
        if (folder / "tried").exists():
            return command(one, folder)
        return [sys.executable, "-c", f"open({str(folder / 'tried')!r}, 'w'); raise SystemExit(75)"]

    put(state, entry("daily"))
    go(state)
    with Running(state, {"command": busy_first}):
        wait(lambda: outcome(state, "daily") == "ok")
    assert "waits until the run that holds" in capsys.readouterr().out


def test_changes_are_taken_over_while_it_runs(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(state, entry("a", ago=timedelta(0)))
    go(state)
    with Running(state):
        put(state, entry("b"))
        wait(lambda: outcome(state, "b") == "ok")
        remove(state, "a")
        put(state, entry("b", cron="0 4 * * *"))
        printed = ""

        def said() -> bool:
            nonlocal printed
            printed += capsys.readouterr().out
            return "a: removed" in printed and "b: training at '0 4 * * *'" in printed

        wait(said)
    assert list(read_entries(state)) == ["b"]


def test_the_command_of_a_run_is_the_local_pipeline_and_its_error_is_kept(state: Path) -> None:
    one = entry("daily", data="/data", canary_percent=10)
    assert local_command(one, state)[1:] == [
        "-m", "pipelines", "local", "--pipeline", "training", "--spec", "/spec.yaml", "--state", str(state),
        "--data", "/data", "--canary-percent", "10",
    ]  # fmt: skip
    put(state, entry("daily"))
    with Running(state, {"command": local_command}):
        wait(lambda: outcome(state, "daily"))
    assert "/spec.yaml" in (outcome(state, "daily") or "")


def test_times_of_a_clock_that_was_ahead_do_not_silence_the_schedule(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both the time of the last run and that of the entry itself may lie a year ahead."""
    ahead = datetime.now(UTC) + timedelta(days=400)
    put(state, entry("often", ago=timedelta(days=-400)))
    correct(state, replace(read_entries(state)["often"], last=Last(ahead, ahead, None)))
    go(state)
    with Running(state, {"trigger": lambda _: CronTrigger(second="*", timezone=UTC)}):
        wait(lambda: noted(state.parent, "end"))
    assert read_entries(state)["often"].done < ahead - timedelta(days=300)
    assert "ahead of the clock; it counts as now" in capsys.readouterr().out
