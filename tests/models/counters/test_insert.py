"""Events in any order, and events taken back: the state equals that of folding the remaining events in order."""

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.counters.fold import CounterEvent, CounterState, Settled, Shown, fold, initial
from models.counters.insert import insert, remove
from tests.models.counters import test_fold

PLAN = replace(test_fold.PLAN, last=0)

outcomes = st.tuples(st.integers(0, 1), st.integers(-1, 10))


def events(low: int, high: int) -> st.SearchStrategy[CounterEvent]:
    times = st.integers(low, high)
    return st.builds(Shown, times) | st.builds(Settled, times, st.integers(0, 9), outcomes)


def folded(some: list[CounterEvent]) -> CounterState:
    state = initial(PLAN)
    for event in sorted(some, key=lambda event: event.time):
        state = fold(PLAN, state, event)
    return state


@settings(max_examples=300, deadline=None)
@given(some=st.lists(events(-500, 500), max_size=12), chance=st.randoms(use_true_random=False))
def test_events_in_any_order_end_as_those_in_order(some: list[CounterEvent], chance: random.Random) -> None:
    state = initial(PLAN)
    for event in chance.sample(some, len(some)):
        state = insert(PLAN, state, event)
    assert state == folded(some)


@settings(max_examples=300, deadline=None)
@given(
    kept=st.lists(events(10, 159), max_size=8),
    removed=st.lists(events(160, 169), min_size=1, max_size=4) | st.lists(events(320, 900), min_size=1, max_size=4),
)
def test_removed_events_leave_the_state_of_the_others(kept: list[CounterEvent], removed: list[CounterEvent]) -> None:
    """All others are known, and the window has moved past none or all of them: it is exact too."""
    state = remove(PLAN, folded([*kept, *removed]), removed, kept, 159)
    assert state == folded(kept)


def test_an_exposure_at_the_border_stays() -> None:
    state = remove(PLAN, folded([Shown(155), Shown(156)]), [Shown(156)], [], 155)
    assert (state["c_shown"], state["c_shown_last"]) == (1, 0)  # 156 is gone, and 155 is not among the known events
    state = remove(PLAN, folded([Shown(155)]), [], [], 155)
    assert (state["c_shown"], state["c_shown_last"], state["c_panes"]) == (1, 155, [15])


def test_every_order_ends_as_counted_by_hand() -> None:
    expected = {column: value for column, value in test_fold.STATE.items() if not column.endswith("click_last")}
    del expected["c_share_last"]
    for some in permutations(test_fold.EVENTS):
        state = initial(PLAN)
        for event in some:
            state = insert(PLAN, state, event)
        assert state == expected


def test_an_event_has_one_outcome_a_rate() -> None:
    for outcomes in ((1,), (1, 2, 3)):
        with pytest.raises(ValueError, match="zip"):
            insert(PLAN, initial(PLAN), Settled(5, 1, outcomes))


def test_a_state_before_1970_keeps_its_last_exposure() -> None:
    state = insert(PLAN, insert(PLAN, initial(PLAN), Shown(-5)), Shown(-7))
    assert (state["c_shown"], state["c_shown_last"], state["c_panes"]) == (2, -5, [-1])


def test_a_window_is_built_again_from_the_events_that_remain() -> None:
    kept: list[CounterEvent] = [Shown(5), Settled(15, 1, (1, 4)), Shown(16), Shown(160), Settled(169, 2, (0, -1))]
    found = remove(PLAN, folded([*kept, Shown(900)]), [Shown(900)], kept, 200)
    assert found == folded(kept)
    assert (found["c_panes"], found["c_panes_shown"], found["c_panes_share_sum"]) == ([1, 16], [1, 2], [0, 4])
    assert remove(PLAN, folded([Shown(900)]), [Shown(900)], [], 200) == initial(PLAN)


def test_a_pane_that_has_left_the_window_does_not_come_back() -> None:
    kept: list[CounterEvent] = [Shown(5), Shown(6), Shown(155)]
    found = remove(PLAN, folded([*kept, Shown(160)]), [Shown(160)], kept, 159)
    assert (found["c_shown"], found["c_shown_last"]) == (3, 155)
    assert (found["c_panes"], found["c_panes_shown"]) == ([15], [2])
