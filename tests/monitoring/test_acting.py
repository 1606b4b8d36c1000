"""One action per verdict, at most one in a cool-down, whoever is killed when."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feature_repo.notes import Notes
from feature_repo.packed.sqlite import SqliteRows
from models.time_units import DAY, HOUR
from monitoring.acting import FROZEN, NOTHING, Action, begin, begun_action, decide, finish, last_action
from monitoring.errors import ActionError
from monitoring.verdict import State, Verdict
from tests.factories import specs
from tests.monitoring.verdicts import verdict

SPEC = specs.spec_of(specs.document(monitoring={"act": "on", "cool_down": "2d"}))
NOW = 1_767_830_400_000_000
"""2026-01-08, the day after that of the verdicts."""
ROLES = {"champion": "1", "previous": "0"}
DONE = Action("2026-01-05", "retrain", "run-0", NOW - 3 * DAY, NOW - 3 * DAY)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(SqliteRows(tmp_path / "online.db"), "small")


def decided(found: Verdict | None, last: Action | None = DONE, roles: Any = ROLES, time: int = NOW) -> str:
    return decide(SPEC, found, last, roles, time).kind


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
    begun = Action(verdict(state).day, "retrain", "run-1", NOW)  # whose canary it is
    assert decided(verdict(state), begun, roles={**ROLES, "canary": "2"}) == "retrain"


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
    begun = Action("2026-01-05", "roll_back", "run-1", NOW - 30 * DAY)
    assert decided(verdict(state), begun) == decided(None, begun) == "roll_back"
    begun = replace(begun, kind="recalibrate", begun=NOW - 47 * HOUR)
    assert decided(verdict(state), begun) == (FROZEN if state == State.DATA_FAULT else "recalibrate")
    assert decided(verdict(State.RETRAIN), replace(begun, begun=NOW - 2 * DAY)) == "retrain"
    begin(notes, SPEC, verdict(State.RETRAIN, "2026-01-06"), ROLES, "run-1", lambda: NOW)
    _, action = begin(notes, SPEC, verdict(State.HEALTHY), ROLES, "run-2", lambda: NOW + HOUR)
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
    _, first = begin(notes, SPEC, found, ROLES, "run-1", lambda: NOW)
    assert first is not None
    assert (first.id, first.versions, first.done) == ("2026-01-07 retrain", ROLES, 0)
    moved = {"champion": "2", "previous": "1"}  # what the killed action has changed
    decision, again = begin(notes, SPEC, verdict(State.RECALIBRATE), moved, "run-2", lambda: NOW + HOUR)
    assert (decision.kind, again) == ("retrain", replace(first, run="run-2"))
    with pytest.raises(ActionError, match="expected one that run run-1 has begun; found that of run run-2"):
        begun_action(notes, "run-1")
    finish(notes, "run-1", lambda: NOW + HOUR)  # it was overtaken
    assert begun_action(notes, "run-2") == again
    finish(notes, "run-2", lambda: NOW + HOUR)
    assert last_action(notes) == replace(first, run="run-2", done=NOW + HOUR)
    assert begin(notes, SPEC, found, ROLES, "run-3", lambda: NOW + HOUR)[0].kind == NOTHING


def test_a_data_fault_of_the_same_day_ends_a_training_but_no_rollback(notes: Notes) -> None:
    fault = verdict(State.DATA_FAULT)
    begun = Action(fault.day, "retrain", "run-1", NOW)
    assert decided(fault, begun) == FROZEN
    assert decided(fault, replace(begun, kind="roll_back")) == "roll_back"


def test_what_does_not_act_leaves_no_note(notes: Notes) -> None:
    for state in (State.HEALTHY, State.DATA_FAULT):
        assert begin(notes, SPEC, verdict(state), ROLES, "run-1", lambda: NOW)[1] is None
    finish(notes, "run-1")
    assert last_action(notes) is None
    with pytest.raises(ActionError, match="found none"):
        begun_action(notes, "run-1")


def test_of_two_verdicts_at_once_one_is_acted_on(notes: Notes) -> None:
    days = ["2026-01-06", "2026-01-07"] * 2

    def run(day: str) -> str:
        action = begin(notes, SPEC, verdict(State.RETRAIN, day), ROLES, f"run of {day}", lambda: NOW)[1]
        return action.id if action else ""

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, days))) == 1  # the first one's; the others go on with it


def test_a_note_of_another_release_is_named(notes: Notes) -> None:
    notes.write("action", {"verdict": "2026-01-07"})
    with pytest.raises(ActionError, match="expected an action"):
        last_action(notes)
