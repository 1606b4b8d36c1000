"""Affinity: against the window moved on tick by tick, and no edge knows of anything later."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.affinity import affinity
from models.graph.derive import derive
from tests.models.graph.derived import Event, document, relations, spec
from tests.models.graph.product import HOUR

EVENTS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(-4, 9)), max_size=24)
CREATIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(-6, 6)), max_size=6)


def derived(engaged: list[Event], created: list[Event], within: int, at_least: int, **how: bool) -> list[tuple]:
    how = {"created_first": True, "apart": False, **how}
    with relations({"engaged": engaged, "created": created}) as found:
        statement = affinity("engaged", "created", within=within, at_least=at_least, **how)
        found.connection.create("edge_affinity", statement)
        return found.rows("affinity")


def moved_on(engaged: list[Event], created: list[Event], within: int, at_least: int) -> list[tuple]:
    """The window [tick - within, tick] moved on by one: an edge at each tick at which it fills up."""
    edges = []
    for viewer, creator in product(range(2), range(2)):
        known = []
        for source, content, time in set(engaged):
            creations = [moment for made, by, moment in created if (made, by) == (content, creator)]
            if source == viewer and creations:
                known.append(max(time, min(creations)))
        before = 0
        for tick in range(-8, 30):
            now = sum(tick - within <= moment <= tick for moment in known)
            if now >= at_least > before:
                edges.append((viewer, creator, tick, float(now)))
            before = now
    return sorted(edges, key=lambda edge: (edge[2], edge[0], edge[1]))


@given(EVENTS, CREATIONS, st.integers(1, 6), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_edges_are_those_of_a_window_moved_on(
    engaged: list[Event], created: list[Event], within: int, at_least: int
) -> None:
    assert derived(engaged, created, within, at_least) == moved_on(engaged, created, within, at_least)


@given(EVENTS, CREATIONS, st.integers(1, 6), st.integers(1, 3), st.integers(-4, 9))
@settings(max_examples=25, deadline=None)
def test_what_comes_later_changes_no_earlier_edge(
    engaged: list[Event], created: list[Event], within: int, at_least: int, cut: int
) -> None:
    early = [[event for event in events if event[2] < cut] for events in (engaged, created)]
    whole = derived(engaged, created, within, at_least)
    assert derived(*early, within, at_least) == [edge for edge in whole if edge[2] < cut]


def test_an_edge_lapses_and_comes_true_again() -> None:
    engaged = [(0, 0, time) for time in (0, 3, 5, 20, 21)]
    assert derived(engaged, [(0, 7, -1)], within=5, at_least=2) == [(0, 7, 3, 2.0), (0, 7, 21, 2.0)]


def test_an_engagement_as_old_as_the_window_counts() -> None:
    assert derived([(0, 0, 0), (0, 0, 5)], [(0, 7, -1)], within=5, at_least=2) == [(0, 7, 5, 2.0)]
    assert derived([(0, 0, 0), (0, 0, 6)], [(0, 7, -1)], within=5, at_least=2) == []


def test_a_creation_that_is_known_late_makes_the_edge_late() -> None:
    engaged, created = [(0, 0, 1), (0, 1, 2)], [(0, 7, 0), (1, 7, 4), (1, 7, 9)]
    assert derived(engaged, created, within=5, at_least=2) == [(0, 7, 4, 2.0)]


def test_several_creators_and_none() -> None:
    engaged, created = [(0, 0, 1), (0, 1, 2)], [(0, 7, 0), (0, 8, 0)]
    assert derived(engaged, created, within=5, at_least=1) == [(0, 7, 1, 1.0), (0, 8, 1, 1.0)]
    assert derived([], created, within=5, at_least=1) == derived(engaged, [], within=5, at_least=1) == []


def test_no_member_has_affinity_to_itself() -> None:
    engaged, created = [(0, 3, 1), (1, 3, 1)], [(3, 1, 0)]
    assert derived(engaged, created, 5, 1, apart=True) == [(0, 1, 1, 1.0)]
    assert len(derived(engaged, created, 5, 1)) == 2


def test_the_spec_says_how() -> None:
    """Within one day, by two clicks; the creation edge is read in either direction."""
    clicked = [(0, 0, 0), (0, 1, 24 * HOUR), (1, 0, 0), (1, 1, 24 * HOUR + 1)]
    for turned in (False, True):
        made = document()["edges"]["made_by"]
        ends = {"source": made["target"], "target": made["source"]} if turned else {}
        made_by = [(5, item, -HOUR) if turned else (item, 5, -HOUR) for item in (0, 1)]
        one = spec(edges={**document()["edges"], "made_by": {**made, **ends}})
        with relations({"clicked": clicked, "made_by": made_by}) as found:
            assert derive(found, one, "fan_of") == {}
            assert found.rows("fan_of") == [(0, 5, 24 * HOUR, 2.0)]
