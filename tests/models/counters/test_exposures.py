"""Last exposures in any order of arrival, taken back, and the features that come of them."""

import random
from dataclasses import replace

import duckdb
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.counters.derive import derive, empty_state
from models.counters.exposures import UNSETTLED, exposure_columns
from models.counters.fold import CounterEvent, CounterState, Settled, Shown, fold, initial
from models.counters.hashing import UNKNOWN, hash_of, hash_sql, hashes_of
from models.counters.insert import insert, remove
from models.counters.last_exposures import exposure_outcomes
from models.counters.plan import ComparedPlan, CounterPlan
from models.counters.ragged import Ragged
from tests.models.counters import test_fold

PLAN = replace(test_fold.PLAN, last=0, last_exposures=2, compared=(ComparedPlan("place", "place", "place"),))
SECOND = 1_000_000


def shown(key: int, time: int, place: str = "feed") -> Shown:
    return Shown(time, (hash_of(key), hash_of(place)))


@st.composite
def impressions(draw: st.DrawFn, low: int = -40, high: int = 40) -> list[list[CounterEvent]]:
    """The one or two events of each impression: few distinct times, so ties are the rule."""
    found: list[list[CounterEvent]] = []
    for key in range(draw(st.integers(0, 7))):
        time = draw(st.integers(low, high)) // 5 * 5
        events: list[CounterEvent] = [shown(key, time, draw(st.sampled_from(["feed", "mail"])))]
        if draw(st.booleans()):
            events.append(Settled(time + draw(st.sampled_from([0, 5, 30])), key, (draw(st.integers(0, 1)), -1)))
        found.append(events)
    return found


def expected(rows: list[list[CounterEvent]]) -> dict[str, list[int]]:
    """The lists by sorting the impressions."""
    newest = sorted(rows, key=lambda row: (row[0].time, row[0].hashes[0]))[-2:]  # type: ignore[union-attr]
    found: dict[str, list[int]] = {column: [] for column in exposure_columns(PLAN)}
    for first, *rest in newest:
        assert isinstance(first, Shown)
        settled = rest[0] if rest else Settled(UNSETTLED, 0, (-1, -1))
        assert isinstance(settled, Settled)
        values = (first.time, *first.hashes, settled.time, *settled.outcomes)
        for column, value in zip(found, values, strict=True):
            found[column].append(value)
    return found


def lists(state: CounterState) -> dict[str, object]:
    return {column: state[column] for column in exposure_columns(PLAN)}


@settings(max_examples=200, deadline=None)
@given(rows=impressions(), chance=st.randoms(use_true_random=False))
def test_any_order_gives_the_last_exposures(rows: list[list[CounterEvent]], chance: random.Random) -> None:
    """An exposure arrives before its own outcomes; nothing else is in order."""
    state, queues = initial(PLAN), [[*row] for row in rows]
    while queues := [queue for queue in queues if queue]:
        state = insert(PLAN, state, chance.choice(queues).pop(0))
    assert lists(state) == expected(rows)
    in_order = initial(PLAN)
    for event in sorted((event for row in rows for event in row), key=lambda e: (e.time, isinstance(e, Settled))):
        in_order = fold(PLAN, in_order, event)
    assert state == in_order


@settings(max_examples=200, deadline=None)
@given(rows=impressions(), latest=st.integers(-40, 40))
def test_taking_events_back_leaves_those_until_then(rows: list[list[CounterEvent]], latest: int) -> None:
    events = [event for row in rows for event in row]
    state = initial(PLAN)
    for event in events:
        state = insert(PLAN, state, event)
    kept = sorted((e for e in events if e.time <= latest), key=lambda e: (e.time, isinstance(e, Settled)))
    left = remove(PLAN, state, [event for event in events if event.time > latest], kept, latest)
    until = [[event for event in row if event.time <= latest] for row in rows]
    assert lists(left) == expected([row for row in until if row])


def test_what_settles_of_an_older_exposure_and_what_was_logged_otherwise_changes_no_list() -> None:
    state = initial(PLAN)
    for event in (shown(1, 1), shown(2, 2), shown(3, 3)):
        state = insert(PLAN, state, event)
    before = lists(state)
    assert lists(insert(PLAN, state, Settled(9, 1, (1, 1)))) == before
    assert lists(insert(PLAN, state, Shown(9))) == before
    assert lists(insert(PLAN, state, Shown(9, (hash_of(4),)))) == before


def test_the_features_by_hand() -> None:
    state = initial(PLAN)
    for event in (shown(1, 0), Settled(4 * SECOND, 1, (1, 5)), shown(2, 3 * SECOND, "mail")):
        state = fold(PLAN, state, event)
    columns = {
        name: Ragged.of([values]) if isinstance(values, list) else np.array([values]) for name, values in state.items()
    }
    overall = {"overall_settled": np.array([1]), "overall_click_sum": np.array([1])}
    overall |= {"overall_share_sum": np.array([1]), "overall_share_of": np.array([1])}
    found = derive(PLAN, columns, overall, np.array([10 * SECOND]), {"place": np.array(["feed", "mail", None], object)})
    exposures = {name: values.tolist() for name, values in found.items() if "exposure1" in name}
    np.testing.assert_equal(exposures, {
        "c_exposure1_gap": [np.log1p(7.0).astype(np.float32)], "c_exposure1_pending": [1],
        "c_exposure1_same_place": [0, 1, np.nan],
        "c_exposure1_outcome_click": [np.nan], "c_exposure1_outcome_share": [np.nan],
    })  # fmt: skip
    assert found["c_exposure2_outcome_share"].tolist() == [0.5]
    # An outcome of the very time is not strictly before it.
    for before, outcome in ((4 * SECOND, np.nan), (4 * SECOND + 1, 1.0)):
        older = exposure_outcomes(PLAN, columns, np.array([before]))["c_exposure2_outcome_click"]
        np.testing.assert_equal(older.tolist(), [outcome])


def test_a_key_without_exposures_has_nothing_to_compare() -> None:
    found = derive(PLAN, empty_state(PLAN, 1), empty_state(_overall(), 1), np.array([5]), {"place": np.array(["feed"])})
    assert all(np.isnan(values).all() for name, values in found.items() if "exposure1" in name or "exposure2" in name)


def test_a_plan_of_an_earlier_release_keeps_no_exposures() -> None:
    values = {
        name: value for name, value in test_fold.PLAN.to_dict().items() if name not in ("last_exposures", "compared")
    }
    assert CounterPlan.from_dict(values) == test_fold.PLAN
    assert CounterPlan.from_dict(PLAN.to_dict()) == PLAN


def test_duckdb_computes_the_same_hashes() -> None:
    for values in ([1, -1, 2**53 + 1, None], ["a", "ü", "", None]):
        rows = ", ".join("(NULL)" if v is None else f"({v!r})" for v in values)
        found = duckdb.sql(f"SELECT {hash_sql('v')} FROM (VALUES {rows}) AS t(v)").fetchall()
        assert [row[0] for row in found] == hashes_of(np.array(values, object)).tolist()
        assert found[-1][0] == UNKNOWN
    assert hash_of(5) == hash_of("5")
    assert hash_of(float("nan")) == UNKNOWN


def _overall() -> CounterPlan:
    return CounterPlan("overall", (), (), {}, False, PLAN.rates, 0.0, None, False, 0)
