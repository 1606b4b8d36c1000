"""Events in any order, and events taken back: the state equals that of folding the remaining events in order."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from models.counters.fold import CounterEvent, CounterState, Settled, Shown, fold, initial
from models.counters.insert import insert, remove
from models.counters.plan import CounterPlan, RatePlan

RATES = (RatePlan("click", "click", 1, {}), RatePlan("share", "percent", 10, {"surface": ["feed"]}))
PLAN = CounterPlan("c", ("k",), ("k",), {}, True, RATES, 1.0, 160, True, 0)  # panes of 10

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
