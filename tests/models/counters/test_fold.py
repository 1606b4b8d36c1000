"""Events of an impression row, and what filters keep."""

from dataclasses import replace

import pytest

from models.counters.fold import CounterEvent, Settled, Shown, events_of, fold, initial, keeps
from models.counters.plan import CounterPlan, RatePlan
from models.spec.counter_plans import counter_plan
from tests.models.counters.product import product

RATES = (RatePlan("click", "click", 1, {}), RatePlan("share", "percent", 10, {"surface": ["feed"]}))
PLAN = CounterPlan("c", ("k",), ("k",), {}, True, RATES, 1.0, 160, True, 2)  # panes of 10
EVENTS: list[CounterEvent] = [
    Shown(5), Settled(9, 1, (1, -1)), Shown(15), Settled(159, 2, (0, 0)), Settled(160, 3, (1, 10)),
]  # fmt: skip
STATE = {
    **{"c_shown": 2, "c_settled": 3, "c_click_sum": 2, "c_share_sum": 10, "c_share_of": 2, "c_shown_last": 15},
    **{"c_click_last": [0, 1], "c_share_last": [0, 10], "c_panes": [1, 15, 16], "c_panes_shown": [1, 2, 2]},
    **{"c_panes_settled": [1, 1, 2], "c_panes_click_sum": [1, 1, 1]},
    **{"c_panes_share_sum": [0, 0, 0], "c_panes_share_of": [0, 0, 1]},
}
"""After the events, counted by hand: pane 0 has left the window that ends in pane 16, pane 1 has not."""


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


def test_the_state_after_some_events() -> None:
    state = initial(PLAN)
    assert {str(value) for value in state.values()} == {"0", "[]"}
    for event in EVENTS:
        before = {**state}
        after = fold(PLAN, state, event)
        assert state == before
        state = after
    assert state == STATE


def test_a_plan_without_window_recency_and_last_keeps_counts_alone() -> None:
    plan = replace(PLAN, window=None, recency=False, last=0)
    state = initial(plan)
    for event in EVENTS:
        state = fold(plan, state, event)
    assert state == {"c_shown": 2, "c_settled": 3, "c_click_sum": 2, "c_share_sum": 10, "c_share_of": 2}


def test_an_event_has_one_outcome_a_rate() -> None:
    for outcomes in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match="zip"):
            fold(PLAN, initial(PLAN), Settled(5, 1, outcomes))


def test_a_row_without_rates_or_exposures_has_fewer_events() -> None:
    row = {"impression_id": 1, "time": 1, "settled_time": 2, "click": 1, "percent": 4, "surface": "feed"}
    names = ("time", "settled_time", "impression_id")
    assert events_of(replace(PLAN, rates=()), row, *names) == [Shown(1)]
    assert events_of(replace(PLAN, exposures=False), row, *names) == [Settled(2, 1, (1, 4))]
    assert events_of(replace(PLAN, filter={"surface": ["mail"]}), row, *names) == []
    assert events_of(PLAN, row | {"surface": "mail"}, *names) == [Shown(1), Settled(2, 1, (1, -1))]


def test_events_are_values() -> None:
    assert len({Shown(1), Shown(1), Settled(1, 2, ()), Settled(1, 2, ())}) == 2
