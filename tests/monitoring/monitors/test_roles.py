"""The versions by role on a day that is judged later: those that served on it, whatever the roles of now."""

import pytest

from monitoring.monitors.roles import roles_on
from monitoring.verdict import ACTIONS, State, Verdict
from tests.monitoring.monitors.history import days, put

BEFORE, TODAY = days()[-2].day, days()[-1].day


def verdict(day: str, roles: dict[str, str]) -> Verdict:
    return Verdict(State.HEALTHY, "", day, day, (), ACTIONS[State.HEALTHY], roles)


CHAMPION = {"champion": "7"}
TRIAL = {"champion": "7", "canary": "8"}


@pytest.mark.parametrize(
    ("served", "before", "now", "expected"),
    [
        ({"7": 90, "8": 10}, CHAMPION, TRIAL, TRIAL),
        ({"7": 90, "8": 10}, CHAMPION, {"champion": "8", "previous": "7"}, TRIAL),  # promoted since
        ({"7": 90, "8": 10}, CHAMPION, {"champion": "7", "canary": "9"}, TRIAL),  # another canary since
        ({"7": 10, "8": 90}, TRIAL, {"champion": "8"}, TRIAL),
        (
            {"7": 4, "8": 96},
            TRIAL,
            {"champion": "8", "previous": "7"},
            {"champion": "8", "previous": "7"},
        ),  # of midnight
        ({"7": 4, "8": 96}, CHAMPION, {"champion": "9"}, TRIAL),
        ({"8": 100}, TRIAL, {"champion": "9", "previous": "8"}, {"champion": "8"}),
        ({"7": 100}, TRIAL, TRIAL, TRIAL),  # the canary should have served
        ({"7": 100}, TRIAL, {"champion": "8"}, CHAMPION),  # its share was taken back
        ({"8": 60, "7": 40}, {"champion": "8", "previous": "7"}, CHAMPION, {"champion": "8"}),  # rolled back at noon
        ({"7": 90, "8": 10}, {}, {"champion": "8", "previous": "7"}, TRIAL),
        ({"7": 10, "8": 90}, {}, TRIAL, TRIAL),
        ({"7": 100}, {}, {}, CHAMPION),
        ({}, CHAMPION, CHAMPION, CHAMPION),
        ({}, {}, CHAMPION, {}),
        ({"7": 0, "8": 5}, {}, {}, {"champion": "8"}),
        ({"old": 100}, {}, CHAMPION, {"champion": "old"}),
    ],
)
def test_roles_are_those_of_the_day(served, before, now, expected) -> None:
    known = [verdict(BEFORE, before)] if before else []
    assert roles_on(put("traffic.versions", served), known, now) == expected


def test_a_day_that_is_judged_again_keeps_its_champion() -> None:
    known = [verdict(BEFORE, CHAMPION), verdict(TODAY, {"champion": "8"})]
    assert roles_on(put("traffic.versions", {"7": 50, "8": 50}), known, TRIAL)["champion"] == "8"
