"""Common neighbours: against brute force on sets, with ties in time, and no weight knows of anything later."""

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.derive import weigh_by_common_neighbours
from tests.models.graph.derived import Event, relations

EVENTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-1, 5)), max_size=30)


def weighed(events: list[Event]) -> dict[Event, float]:
    with relations({"knows": events}) as found:
        weigh_by_common_neighbours(found, "knows")
        rows = found.rows("knows")
    assert [row[:3] for row in rows] == list(dict.fromkeys(events))
    return {row[:3]: row[3] for row in rows}


def brute_force(events: list[Event]) -> dict[Event, float]:
    found = {}
    for one, other, time in events:
        around: dict[int, set[int]] = {one: set(), other: set()}
        for source, target, moment in events:
            if moment < time and source != target:
                around.setdefault(source, set()).add(target)
                around.setdefault(target, set()).add(source)
        common, scale = len(around[one] & around[other]), sqrt(len(around[one])) * sqrt(len(around[other]))
        found[one, other, time] = common / scale if common else 0.0
    return found


@given(EVENTS)
@settings(max_examples=50, deadline=None)
def test_weights_equal_brute_force(events: list[Event]) -> None:
    assert weighed(events) == pytest.approx(brute_force(events), abs=1e-6)


@given(EVENTS, st.integers(-1, 5))
@settings(max_examples=25, deadline=None)
def test_what_comes_later_changes_no_earlier_weight(events: list[Event], cut: int) -> None:
    early = weighed([event for event in events if event[2] < cut])
    assert early == {event: weight for event, weight in weighed(events).items() if event[2] < cut}


def test_an_edge_of_the_same_moment_is_not_counted() -> None:
    found = weighed([(0, 2, 1), (1, 2, 1), (0, 1, 1), (1, 0, 2), (0, 1, 2)])
    assert found[0, 1, 1] == 0
    assert found[0, 1, 2] == found[1, 0, 2] == pytest.approx(1 / 2)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 0)])
def test_both_ends_must_have_met_the_common_neighbour_before(one: int, other: int) -> None:
    """2 is a neighbor of one end before the edge, of the other end at the very same time."""
    assert weighed([(one, 3, 0), (other, 2, 0), (one, 2, 1), (0, 1, 1)])[0, 1, 1] == 0
    assert weighed([(one, 3, 0), (other, 2, 0), (one, 2, 0), (0, 1, 1)])[0, 1, 1] == pytest.approx(1 / sqrt(2))


def test_no_edges() -> None:
    assert weighed([]) == {}
