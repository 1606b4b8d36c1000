import random

from hypothesis import given, settings
from hypothesis import strategies as st

from models.counters.fold import Settled, Shown, fold, initial
from models.counters.insert import insert
from models.counters.plan import CounterPlan, RatePlan

RATES = (RatePlan("click", "click", 1, {}), RatePlan("share", "percent", 10, {"surface": ["feed"]}))
PLAN = CounterPlan("c", ("k",), ("k",), {}, True, RATES, 1.0, 160, True, 0)

outcomes = st.tuples(st.integers(0, 1), st.integers(-1, 10))
events = st.builds(Shown, st.integers(-500, 500)) | st.builds(
    Settled, st.integers(-500, 500), st.integers(0, 9), outcomes
)


@settings(max_examples=300, deadline=None)
@given(some=st.lists(events, max_size=12), chance=st.randoms(use_true_random=False))
def test_events_in_any_order_end_as_those_in_order(some: list[Shown | Settled], chance: random.Random) -> None:
    in_order = initial(PLAN)
    for event in sorted(some, key=lambda event: event.time):
        in_order = fold(PLAN, in_order, event)
    state = initial(PLAN)
    for event in chance.sample(some, len(some)):
        state = insert(PLAN, state, event)
    assert state == in_order
