"""One action per verdict, at most one in a cool-down, whoever is killed when."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_repo.notes import Notes
from feature_repo.packed.sqlite import SqliteRows
from models.time_units import DAY, HOUR
from monitoring.acting import FROZEN, NOTHING, begin, decide, overtaken
from monitoring.action import HELD, Action, begun_action, finish, last_action, let_go, renew
from monitoring.errors import ActionError
from monitoring.verdict import State, Verdict
from tests.factories import specs
from tests.monitoring.verdicts import verdict

SPEC = specs.spec_of(specs.document(monitoring={"act": "on", "cool_down": "2d"}))
NOW = 1_767_830_400_000_000
"""2026-01-08, the day after that of the verdicts."""
ROLES = {"champion": "1", "previous": "0"}
DONE = Action("2026-01-05", "retrain", "run-0", NOW - 3 * DAY, NOW - 3 * DAY)
BEGUN = Action("2026-01-07", "retrain", "run-1", NOW, versions=ROLES)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(SqliteRows(tmp_path / "online.db"), "small")


def decided(
    found: Verdict | None, last: Action | None = DONE, roles: Any = ROLES, time: int = NOW, made: str | None = None
) -> str:
    return decide(SPEC, found, last, roles, time, made).kind


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State.HEALTHY, NOTHING),
        (State.WATCH, NOTHING),
        (State.RECALIBRATE, "recalibrate"),
        (State.RETRAIN, "retrain"),
        (State.ROLL_BACK, "roll_back"),
        (State.DATA_FAULT, FROZEN),
    ],
)
def test_each_state_has_its_action(state: State, kind: str) -> None:
    assert decided(verdict(state)) == kind
    assert decided(verdict(state), last=None) == kind


def test_nothing_is_done_without_a_verdict_or_about_what_no_longer_serves() -> None:
    assert decided(None) == NOTHING
    assert decided(verdict(State.RETRAIN), roles={"champion": "2"}) == NOTHING
    assert decided(verdict(State.ROLL_BACK, versions={"champion": "1", "canary": "2"})) == NOTHING
    assert decided(verdict(State.ROLL_BACK), roles={"champion": "1"}) == NOTHING
    assert decided(verdict(State.ROLL_BACK), roles={"champion": "1", "canary": "2"}) == "roll_back"
    assert decided(verdict(State.RECALIBRATE, versions={}), roles={}) == NOTHING


@pytest.mark.parametrize("state", [State.RECALIBRATE, State.RETRAIN])
def test_a_canary_on_trial_is_not_replaced(state: State) -> None:
    assert decided(verdict(state), roles={**ROLES, "canary": "2"}) == NOTHING
    assert decided(verdict(state), BEGUN, roles={**ROLES, "canary": "2"}, made="2") == "retrain"  # whose canary it is


def test_a_rollback_of_the_champion_does_not_take_back_a_healthy_canary() -> None:
    found = replace(verdict(State.ROLL_BACK), cause="serving.fallback")
    assert decided(found) == "roll_back"
    decision = decide(SPEC, found, DONE, {**ROLES, "canary": "2"}, NOW)
    assert decision.kind == NOTHING
    assert "promote or roll back the canary 2 first" in decision.reason


def test_an_old_verdict_is_not_acted_on() -> None:
    assert decided(verdict(State.RETRAIN), time=NOW + 2 * DAY) == "retrain"
    assert decided(verdict(State.RETRAIN), time=NOW + 2 * DAY + 1) == NOTHING


@pytest.mark.parametrize(("hours", "kind"), [(1, NOTHING), (47, NOTHING), (48, "retrain")])
def test_an_action_waits_for_the_cool_down(hours: int, kind: str) -> None:
    last = Action("2026-01-06", "recalibrate", "run-0", NOW - hours * HOUR, NOW)
    assert decided(verdict(State.RETRAIN), last) == kind


@pytest.mark.parametrize("state", [State.HEALTHY, State.RETRAIN, State.DATA_FAULT])
def test_what_was_begun_about_an_earlier_verdict_is_ended_first(notes: Notes, state: State) -> None:
    begun = replace(BEGUN, verdict="2026-01-05", kind="roll_back", begun=NOW - 30 * DAY)
    assert decided(verdict(state), begun) == decided(None, begun) == "roll_back"
    begun = replace(begun, kind="recalibrate", begun=NOW - 47 * HOUR)
    assert decided(verdict(state), begun) == (FROZEN if state == State.DATA_FAULT else "recalibrate")
    assert decided(verdict(State.RETRAIN), replace(begun, begun=NOW - 2 * DAY)) == "retrain"
    begin(notes, SPEC, verdict(State.RETRAIN, "2026-01-06"), ROLES, "run-1", clock=lambda: NOW)
    _, action = begin(notes, SPEC, verdict(State.HEALTHY), ROLES, "run-2", clock=lambda: NOW + HOUR)
    assert action is not None
    assert (action.id, action.run, action.begun) == ("2026-01-06 retrain", "run-2", NOW)


def test_a_short_cool_down_still_allows_one_action_a_day() -> None:
    spec = specs.spec_of(specs.document(monitoring={"cool_down": "1h"}))
    last = replace(DONE, begun=NOW - 23 * HOUR)
    assert decide(spec, verdict(State.RETRAIN), last, ROLES, NOW).kind == NOTHING
    assert decide(spec, verdict(State.RETRAIN), replace(last, begun=NOW - DAY), ROLES, NOW).kind == "retrain"


def test_the_next_action_waits_until_a_day_after_the_last_one_is_judged() -> None:
    tasks = {"click": {"label": "click", "primary": True, "attribution": "48h"}}
    spec = specs.spec_of(specs.document(monitoring={"cool_down": "2d"}, tasks=tasks))
    for begun, kind in ((NOW - 4 * DAY + 1, NOTHING), (NOW - 4 * DAY, "retrain")):
        assert decide(spec, verdict(State.RETRAIN), replace(DONE, begun=begun), ROLES, NOW).kind == kind


def test_a_run_goes_on_with_the_action_of_its_own_verdict(notes: Notes) -> None:
    found = verdict(State.RETRAIN)
    _, first = begin(notes, SPEC, found, ROLES, "run-1", clock=lambda: NOW)
    assert first is not None
    assert (first.id, first.versions, first.done) == ("2026-01-07 retrain", ROLES, 0)
    moved = {"champion": "2", "previous": "1"}  # what the killed action has changed
    decision, again = begin(notes, SPEC, verdict(State.RECALIBRATE), moved, "run-2", "2", clock=lambda: NOW + HOUR)
    assert (decision.kind, again) == ("retrain", replace(first, run="run-2", until=NOW + HOUR + HELD))
    with pytest.raises(ActionError, match="expected one that run run-1 has begun; found that of run run-2"):
        begun_action(notes, "run-1")
    finish(notes, "run-1", clock=lambda: NOW + HOUR)  # it was overtaken
    assert begun_action(notes, "run-2") == again
    finish(notes, "run-2", clock=lambda: NOW + HOUR)
    assert last_action(notes) == replace(first, run="run-2", until=NOW + HOUR + HELD, done=NOW + HOUR)
    assert begin(notes, SPEC, found, ROLES, "run-3", clock=lambda: NOW + HOUR)[0].kind == NOTHING


def test_a_data_fault_of_the_same_day_ends_a_training_but_no_rollback(notes: Notes) -> None:
    fault = verdict(State.DATA_FAULT)
    assert decided(fault, BEGUN) == FROZEN
    assert decided(fault, replace(BEGUN, kind="roll_back")) == "roll_back"


def test_what_does_not_act_leaves_no_note(notes: Notes) -> None:
    for state in (State.HEALTHY, State.DATA_FAULT):
        assert begin(notes, SPEC, verdict(state), ROLES, "run-1", clock=lambda: NOW)[1] is None
    finish(notes, "run-1")
    assert last_action(notes) is None
    with pytest.raises(ActionError, match="found none"):
        begun_action(notes, "run-1")


def test_of_two_verdicts_at_once_one_is_acted_on(notes: Notes) -> None:
    days = ["2026-01-06", "2026-01-07"] * 2

    def run(day: str) -> str:
        action = begin(notes, SPEC, verdict(State.RETRAIN, day), ROLES, f"run of {day}", clock=lambda: NOW)[1]
        return action.id if action else ""

    with ThreadPoolExecutor(4) as pool:
        assert len({*pool.map(run, days)} - {""}) == 1  # the first one's, and that of its retry


def test_a_note_of_another_release_is_named(notes: Notes) -> None:
    notes.write("action", {"verdict": "2026-01-07"})
    with pytest.raises(ActionError, match="expected an action"):
        last_action(notes)


@pytest.mark.parametrize(
    ("kind", "before", "now", "made", "wanted"),
    [
        ("roll_back", {"champion": "2", "previous": "1"}, {"champion": "2", "previous": "1"}, None, True),
        ("roll_back", {"champion": "2", "previous": "1"}, {"champion": "1"}, None, True),  # by this action, or by hand
        ("roll_back", {"champion": "2", "previous": "1"}, {"champion": "1", "canary": "3"}, None, True),
        ("roll_back", {"champion": "2", "previous": "1"}, {"champion": "2", "canary": "3"}, None, False),
        ("roll_back", {"champion": "2", "previous": "1"}, {"champion": "3", "previous": "2"}, None, False),
        ("roll_back", {"champion": "2"}, {}, None, False),
        ("roll_back", {"champion": "1", "canary": "2"}, {"champion": "1", "canary": "2"}, None, True),
        ("roll_back", {"champion": "1", "canary": "2"}, {"champion": "1", "canary": "3"}, None, True),
        ("roll_back", {"champion": "1", "canary": "2"}, {"champion": "2", "previous": "1"}, None, False),
        ("retrain", {"champion": "1"}, {"champion": "1", "canary": "2"}, "2", True),
        ("retrain", {"champion": "1"}, {"champion": "1", "canary": "2"}, None, False),
        ("retrain", {"champion": "1"}, {"champion": "3", "previous": "1"}, "2", False),
        ("recalibrate", {"champion": "1"}, {"champion": "2", "previous": "1"}, "2", True),
        ("recalibrate", {"champion": "1"}, {"champion": "2", "previous": "1"}, None, False),
    ],
)
def test_what_people_have_changed_overtakes_an_action(
    kind: str, before: dict[str, str], now: dict[str, str], made: str | None, wanted: bool
) -> None:
    assert (overtaken(replace(BEGUN, kind=kind, versions=before), now, made) is None) == wanted


def test_an_action_that_was_overtaken_ends_and_the_newest_verdict_counts(notes: Notes) -> None:
    found, serves = verdict(State.ROLL_BACK, "2026-01-01"), {"champion": "3", "previous": "1"}
    begin(notes, SPEC, found, ROLES, "run-1", clock=lambda: NOW - 6 * DAY)
    decision, action = begin(notes, SPEC, found, serves, "run-2", clock=lambda: NOW)
    assert (decision.kind, action) == (NOTHING, None)
    assert decision.reason.startswith(
        "the action 2026-01-01 roll_back, which run run-1 began, is overtaken: champion 3"
    )
    ended = last_action(notes)
    assert ended is not None
    assert (ended.run, ended.done, ended.overtaken.endswith("champion 3 and canary none serve by now")) == (
        "run-1", NOW, True,
    )  # fmt: skip
    newest = verdict(State.RETRAIN, versions={"champion": "3"})
    assert begin(notes, SPEC, newest, serves, "run-3", clock=lambda: NOW)[0].kind == "retrain"
    finish(notes, "run-3", "by hand", clock=lambda: NOW)
    assert (last_action(notes) or DONE).overtaken == "by hand"


def test_a_clock_that_was_ahead_costs_one_cool_down(notes: Notes) -> None:
    """The action began in 2033, by the clock of then; the next one may begin after a cool-down, not after 2033."""
    ahead = 7 * 365 * DAY
    found = verdict(State.RETRAIN, "2033-01-05")
    assert begin(notes, SPEC, found, ROLES, "run-1", clock=lambda: NOW + ahead)[1] is not None
    finish(notes, "run-1", clock=lambda: NOW + ahead)
    for run, hours, kind in (("run-2", 0, NOTHING), ("run-3", 47, NOTHING), ("run-4", 48, "retrain")):
        day = verdict(State.RETRAIN, f"2026-01-0{7 + hours // 24}")
        assert begin(notes, SPEC, day, ROLES, run, clock=lambda hours=hours: NOW + hours * HOUR)[0].kind == kind  # type: ignore[misc]


def test_a_training_of_hours_keeps_its_action(notes: Notes) -> None:
    found = verdict(State.RETRAIN)

    def kind(run: str, time: int, alone: bool = False) -> str:
        return begin(notes, SPEC, found, ROLES, run, None, alone, lambda: time)[0].kind

    assert kind("run-1", NOW) == "retrain"
    assert kind("run-1", NOW) == "retrain"  # a retry of its step
    for hours in range(5):
        time = NOW + hours * HOUR // 4
        renew(notes, "run-1", lambda time=time: time)  # type: ignore[misc]
        renew(notes, "run-2", lambda: NOW + DAY)  # which has none
        assert kind("run-2", time + HOUR // 4) == NOTHING
    reason = decide(SPEC, found, last_action(notes), ROLES, NOW + HOUR).reason
    assert reason == "run run-1 is at 2026-01-07 retrain, and has it until 2026-01-08T01:30:00+00:00 at least"
    assert begun_action(notes, "run-1").until == NOW + HOUR + HELD
    assert kind("run-2", NOW + HOUR + HELD) == "retrain"  # it was killed
    with pytest.raises(ActionError, match="that of run run-2"):
        begun_action(notes, "run-1")
    renew(notes, "run-1", lambda: NOW + DAY)
    assert kind("run-3", NOW + HOUR + HELD, alone=True) == "retrain"  # on one machine the lock says that it is gone
    let_go(notes, "run-2")
    assert kind("run-4", NOW + HOUR + HELD) == NOTHING
    let_go(notes, "run-3")  # it has failed
    assert kind("run-4", NOW + HOUR + HELD) == "retrain"


def test_an_action_is_held_by_a_machine_whose_clock_is_minutes_ahead(notes: Notes) -> None:
    begin(notes, SPEC, verdict(State.RETRAIN), ROLES, "run-1", clock=lambda: NOW)
    renew(notes, "run-1", lambda: NOW + HOUR // 12)
    assert begin(notes, SPEC, verdict(State.RETRAIN), ROLES, "run-2", clock=lambda: NOW)[0].kind == NOTHING


def test_an_action_held_until_2033_by_a_wrong_clock_is_gone_on_with(notes: Notes) -> None:
    begin(notes, SPEC, verdict(State.RETRAIN), ROLES, "run-1", clock=lambda: NOW)
    renew(notes, "run-1", lambda: NOW + 7 * 365 * DAY)
    assert begin(notes, SPEC, verdict(State.RETRAIN), ROLES, "run-2", clock=lambda: NOW + HOUR)[0].kind == "retrain"
