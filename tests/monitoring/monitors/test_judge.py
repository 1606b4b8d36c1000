from functools import cache

import pytest

from benchmarks.monitoring_faults.product import ROLES
from monitoring.accepted import Accepted
from monitoring.monitors import judge
from monitoring.monitors.judge import context_of
from monitoring.verdict import ACTIONS, State, Verdict
from tests.monitoring.monitors.history import SPEC, changed, days, on_days, put


def verdict(day: str, state: State = State.HEALTHY, cause: str = "") -> Verdict:
    return Verdict(state, cause, day, day, (), ACTIONS[state], {})


@cache
def quiet() -> tuple[Verdict, ...]:
    return tuple(verdict(day.day) for day in days()[:-1])


def judged(newest=None, earlier=None, verdicts=None) -> Verdict:
    before = days()[:-1] if earlier is None else earlier
    return judge(SPEC, newest or days()[-1], before, quiet() if verdicts is None else verdicts, roles=ROLES)


def test_a_quiet_day_is_healthy():
    found = judged()

    assert (found.state, found.cause, found.since, found.day) == (State.HEALTHY, "", days()[-1].day, days()[-1].day)
    assert found.versions == ROLES


def test_the_first_layer_names_the_cause_and_others_are_consequences():
    def broken(day):
        day["columns"]["item_rate"]["missing"] = day["columns"]["item_rate"]["rows"]
        day["predictions"]["click"]["all"]["mean"] = 0.5
        day["figures"][0]["auc"] = 0.5

    found = judged(changed(broken))

    assert (found.state, found.cause, found.action) == (State.DATA_FAULT, "features.null", "freeze")
    assert [one.layer for one in found.evidence] == ["features", "predictions", "ranking"]


def test_a_warning_hides_no_alarm_of_a_later_layer():
    def doubled(day):
        day["log"]["duplicate"] = 200
        day["figures"][0]["auc"] = 0.5

    found = judged(changed(doubled))

    assert (found.state, found.cause) == (State.ROLL_BACK, "ranking.auc")
    assert found.evidence[-1].cause == "labels.duplicate"


def test_since_is_the_first_day_of_the_cause_without_a_break():
    cause = "serving.fallback"
    known = [*quiet()[:-3], *(verdict(one.day, State.DATA_FAULT, cause) for one in quiet()[-3:])]
    known[-1] = Verdict(State.DATA_FAULT, cause, quiet()[-3].day, quiet()[-1].day, (), "freeze", {})

    assert judged(put("serving.fallback", 0.9), verdicts=known).since == quiet()[-3].day
    assert judged(put("serving.fallback", 0.9)).since == days()[-1].day


def test_the_first_days_say_that_there_are_not_enough():
    found = judged(earlier=days()[:3], verdicts=quiet()[:3])

    assert (found.state, found.cause, found.action) == (State.WATCH, "log.few_days", "nothing")
    assert "found 3" in found.evidence[0].text
    assert judged(days()[0], earlier=(), verdicts=()).state == State.WATCH


def test_an_empty_log_of_a_new_product_is_a_warning():
    empty = changed(lambda day: day.update(rows=0))

    assert judged(empty, earlier=(), verdicts=()).state == State.WATCH
    assert judged(empty).cause == "log.empty"


@pytest.mark.parametrize("state", State)
def test_limits_are_learned_from_quiet_days(state):
    known = [*quiet()[:-1], verdict(quiet()[-1].day, state)]
    found = context_of(SPEC, days()[-1], days()[:-1], known, ROLES)

    assert len(found.quiet) == (28 if state in (State.HEALTHY, State.WATCH) else 27)
    assert len(found.earlier) == (27 if state == State.DATA_FAULT else 28)


@pytest.mark.parametrize(("calm", "quiet", "miscalibrated"), [(7, 28, 21), (8, 8, 0), (28, 28, 0)])
def test_days_that_asked_for_a_calibration_are_quiet_while_there_are_few_others(calm, quiet, miscalibrated):
    states = [State.HEALTHY] * calm + [State.RECALIBRATE] * (28 - calm)
    known = [verdict(one.day, state) for one, state in zip(days()[:-1], states, strict=True)]

    found = context_of(SPEC, days()[-1], days()[:-1], known, ROLES)

    assert (len(found.quiet), len(found.miscalibrated)) == (quiet, miscalibrated)
    assert [one.day for one in found.quiet] == sorted(one.day for one in found.quiet)


def test_days_that_asked_for_a_training_are_quiet_for_the_version_trained_since():
    known = [verdict(one.day, State.RETRAIN) for one in quiet()]

    newest = put("traffic.versions", {"9": days()[-1].rows})

    found = context_of(SPEC, newest, days()[:-1], known, {"champion": "9"})

    assert len(found.quiet) == 28


@pytest.mark.parametrize(("champion", "expected"), [("7", State.RETRAIN), ("9", State.ROLL_BACK)])
def test_what_follows_from_an_accepted_change_asks_for_a_training_until_there_is_one(champion, expected):
    def moved(day, number):
        if number >= 20:
            day["traffic"]["versions"] = {champion: day["rows"]}
            day["columns"]["item_age"]["quantiles"] = [one + 500 for one in day["columns"]["item_age"]["quantiles"]]
            for cell in day["predictions"]["click"].values():
                cell["mean"] *= 1.6

    found = on_days(moved)
    since = found[20].day
    verdicts = [Verdict(State.HEALTHY, "", one.day, one.day, (), "nothing", {"champion": "7"}) for one in found[:20]]
    verdicts.append(judge(SPEC, found[20], found[:20], verdicts, {"champion": champion}))
    assert verdicts[20].cause == "features.shift"

    accepted = [Accepted("features.shift", "item_age", since, since, "new prices", "Ada", f"{since}T00:00:00Z")]
    again = judge(SPEC, found[20], found[:20], verdicts, {"champion": champion}, accepted)
    assert (again.state, again.cause) == (expected, "predictions.shift")
    verdicts[20] = again
    verdicts.append(judge(SPEC, found[21], found[:21], verdicts, {"champion": champion}, accepted))
    later = judge(SPEC, found[22], found[:22], verdicts, {"champion": champion}, accepted)
    assert (later.state, later.cause) == (expected, "predictions.shift")


def test_what_begins_after_an_accepted_change_does_not_follow_from_it():
    def broken(day, number):
        if number >= 24:
            for cell in day["predictions"]["click"].values():
                cell["mean"] *= 3

    found = on_days(broken)
    since = found[14].day
    accepted = [Accepted("log.torn", "", since, since, "a new writer", "Ada", f"{since}T00:00:00Z")]
    known = [Verdict(State.HEALTHY, "", one.day, one.day, (), "nothing", {"champion": "7"}) for one in found[:24]]
    for number in (24, 25):
        known.append(judge(SPEC, found[number], found[:number], known, {"champion": "7"}, accepted))
        assert (known[-1].state, known[-1].cause) == (State.ROLL_BACK, "predictions.shift")


def test_days_after_the_judged_one_do_not_count():
    found = judged(days()[10], earlier=days())

    assert found.day == days()[10].day
    assert judged(days()[10], earlier=days()[:10]) == found
