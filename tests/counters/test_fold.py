"""Events of an impression row, and what filters keep."""

import pytest

from models.counters.fold import Settled, Shown, events_of, keeps
from models.spec.counter_plans import counter_plan
from tests.counters.product import product


def test_a_row_has_its_outcomes_once_it_has_settled() -> None:
    plan = counter_plan(product(), "plain")
    row = {"impression_id": 1, "time": 1, "settled_time": None, "surface": "feed", "click": None, "percent": None}
    assert events_of(plan, row, "time", "settled_time", "impression_id") == [Shown(1)]
    for wrong in (None, 5, -1, 0.5):
        settled = {**row, "settled_time": 2, "click": 1, "percent": wrong}
        with pytest.raises(ValueError, match=r"percent: expected a whole number from 0 to 4; found"):
            events_of(plan, settled, "time", "settled_time", "impression_id")


def test_outcomes_at_both_ends_of_the_scale_and_undefined_ones() -> None:
    plan = counter_plan(product(), "plain")
    row = {"impression_id": 1, "time": 1, "settled_time": 2, "surface": "feed", "click": 0, "percent": 4}
    assert events_of(plan, row, "time", "settled_time", "impression_id") == [Shown(1), Settled(2, 1, (0, -1, 4))]
    row |= {"surface": "mail", "click": 1, "percent": 0}
    assert events_of(plan, row, "time", "settled_time", "impression_id") == [Shown(1), Settled(2, 1, (1, 1, 0))]


def test_a_filter_drops_missing_values_and_other_types() -> None:
    assert keeps({}, {})
    assert not keeps({"a": [1]}, {})
    assert not keeps({"a": [None]}, {"a": None})
    assert not keeps({"a": ["1"]}, {"a": 1})
    assert keeps({"a": [1, 2], "b": ["x"]}, {"a": 2, "b": "x"})
    assert not keeps({"a": [1, 2], "b": ["x"]}, {"a": 2, "b": "y"})
