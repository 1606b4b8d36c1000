"""What a spec derives: which edge types are active, what they are made of, and PageRanks one to one."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from models.graph.derive import derive, derived_edges, pageranks, weigh_by_common_neighbours
from models.graph.errors import GraphInputError, StatementError
from models.graph.schema import PageRank
from tests.models.graph.derived import document, relations, spec
from tests.models.graph.product import HOUR

TRAIN = spec().span("train").start


def test_derived_edges_have_the_ends_and_the_walk_of_the_spec() -> None:
    fan, alike = derived_edges(spec()).values()
    assert (fan.source, fan.target, fan.kind, fan.domain) == ("member", "creator", "affinity", "push")
    assert (fan.fan_out, fan.reverse_fan_out, fan.window_days, fan.strategy) == ([2, 1], [2, 1], 3, "weighted")
    assert (alike.source, alike.target, alike.kind, alike.domain) == ("item", "item", "intrinsic", "push")
    assert (alike.fan_out, alike.window_days, alike.strategy) == ([3, 0], None, "most_recent")
    assert derived_edges(spec(affinities={}, densification={})) == {}


def test_domains_switch_off_what_rests_on_them() -> None:
    engaged = {**document()["edges"], "made_by": {**document()["edges"]["made_by"], "kind": "affinity"}}
    engaged["made_by"]["domain"] = "feed"
    fan = document()["affinities"]["fan_of"]
    assert list(derived_edges(spec(domains=["push"]))) == ["fan_of", "alike"]
    assert list(derived_edges(spec(domains=["push"], edges=engaged))) == ["alike"]
    assert list(derived_edges(spec(domains=["push"], affinities={"fan_of": {**fan, "domain": "feed"}}))) == ["alike"]
    assert list(derived_edges(spec(domains=["feed"]))) == []  # clicks are off, and with them what counts them


def test_pageranks_are_those_of_the_spec() -> None:
    near, circle = pageranks(spec())
    edges = ("clicked", "follows", "made_by", "knows", "fan_of", "alike")
    assert near == PageRank("near", "member", "item", edges, 4, "push", 0.25, 100, 2, 0.01)
    assert circle == PageRank("circle", "member", "member", ("knows",), 8, "walk")
    (push,) = pageranks(spec(domains=["push"]))
    assert (push.name, push.edges) == ("near", ("clicked", "made_by", "fan_of", "alike"))
    assert pageranks(spec(pageranks={})) == ()


def versions(vectors: dict[int, list | None], later: Sequence[float] | None = (0.0, 1.0)) -> pa.Table:
    """Items' first versions an hour after one another; each has a later one with another vector."""
    rows = [(node, node * HOUR + late, later if late else one) for node, one in vectors.items() for late in (0, 1)]
    node, time, topics = zip(*rows, strict=True) if rows else ((), (), ())
    types = (pa.int64(), pa.int64(), pa.list_(pa.float32()))
    columns = {"node": node, "time": time, "feature_topics": topics}
    return pa.table({key: pa.array(c, kind) for (key, c), kind in zip(columns.items(), types, strict=True)})


def test_densification_counts_edges_before_the_train_window_and_reads_first_vectors() -> None:
    """Item 3 has two clicks in time, item 0 has three, of which two come too late; item 2 has a vector never."""
    clicked = [(0, 3, 1), (1, 3, 2), (0, 0, 5), (1, 0, TRAIN), (2, 0, TRAIN + 1)]
    vectors = versions({0: [1.0, 0.0], 1: [1.0, 1.0], 3: [2.0, 0.0]})
    with relations({"clicked": clicked}, {"item": pa.concat_tables([vectors, versions({2: None}, None)])}) as found:
        assert derive(found, spec(), "alike") == {"without_vector": 1}
        assert found.rows("alike") == [(1, 3, 3 * HOUR, pytest.approx(0.5**0.5))]


def test_a_vector_that_comes_later_counts_from_then_on() -> None:
    """Item 4 has its vector in a second version alone, a microsecond after the first."""
    clicked = [(0, 3, 1), (1, 3, 2), (0, 0, 5)]
    table = versions({0: [0.0, 1.0], 3: [2.0, 0.0], 4: None}, later=[1.0, 0.0])
    with relations({"clicked": clicked}, {"item": table}) as found:
        assert derive(found, spec(), "alike") == {"without_vector": 0}
        assert found.rows("alike") == [(4, 3, 4 * HOUR + 1, 1)]


def test_densification_counts_all_engagement_that_leaves_a_node() -> None:
    views = {"profile": {"table": "profiles", "features": {"age": "number", "tastes": "vector[2]"}}}
    nodes = {**document()["nodes"], "member": {"key": "member_id", "views": views}}
    dense = {"node": "member", "feature": "tastes", "fan_out": [3, 0]}
    one = spec(nodes=nodes, densification={"alike": dense})
    table = versions({node: [1.0, 0.0] for node in range(4)}).rename_columns(["node", "time", "feature_tastes"])
    edges = {"clicked": [(3, 0, 1), (3, 1, 1), (2, 0, 2)], "follows": [(0, time, time) for time in range(9)]}
    with relations(edges, {"member": table}) as found:
        derive(found, one, "alike")
        assert [row[:2] for row in found.rows("alike")] == [(0, 3), (1, 3)]


def test_nothing_to_join() -> None:
    with relations({"clicked": []}, {"item": versions({})}) as found:
        assert derive(found, spec(), "alike") == {"without_vector": 0}
        assert found.rows("alike") == []


def test_vectors_of_another_size_are_refused() -> None:
    with (
        relations({"clicked": []}, {"item": versions({0: [1.0, 0.0, 0.0]})}) as found,
        pytest.raises(GraphInputError, match="feature 'topics': expected vectors of 2"),
    ):
        derive(found, spec(), "alike")


def test_edges_of_nodes_without_a_vector_are_not_counted() -> None:
    """Item 9 comes after all items with vectors, item 1 is between them."""
    clicked = [(0, 3, 1), (1, 3, 2), (0, 1, 3), (1, 9, 4), (2, 9, 5)]
    with relations({"clicked": clicked}, {"item": versions({0: [1.0, 0.0], 3: [2.0, 0.0]})}) as found:
        derive(found, spec(), "alike")
        assert found.rows("alike") == [(0, 3, 3 * HOUR, 1)]


def test_weighing_leaves_no_other_relation() -> None:
    with relations({"knows": [(0, 1, 1)]}) as found:
        weigh_by_common_neighbours(found, "knows")
        assert found.rows("knows") == [(0, 1, 1, 0)]
        with pytest.raises(StatementError):
            found.connection.fetch('SELECT * FROM "weighed_knows"')
