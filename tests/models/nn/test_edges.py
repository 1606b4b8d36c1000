"""Edge attributes: fitted before the end of training, visible with the edge and never before it."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.configs.model import ModelConfig
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors
from models.nn.edges import ATTRIBUTES, EDGE_FEATURES, EdgeEncoder, attributes_of
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.errors import EncodingError
from models.nn.model import Ranker
from tests.models.nn.batches import CONFIG, World, ready


def with_clicks(graph: TemporalGraph, change: Callable[[EdgeTensors], EdgeTensors]) -> TemporalGraph:
    """The graph with other clicks, in both directions."""
    changed = {name: change(graph.edges[name]) for name in ("clicked", "rev_clicked")}
    return replace(graph, edges={**graph.edges, **changed})


def until(graph: TemporalGraph) -> int:
    return graph.schema.window("train").end


def other_where(rows: Callable[[Tensor], Tensor]) -> Callable[[EdgeTensors], EdgeTensors]:
    """Other attributes in the rows that ``rows`` chooses by time: (edges,) int64 -> (edges,) bool."""

    def change(edges: EdgeTensors) -> EdgeTensors:
        there = rows(edges.time).unsqueeze(1)
        numbers = torch.where(there, 500.0, edges.numbers)
        return replace(edges, numbers=numbers, categories=torch.where(there, 2 - edges.categories, edges.categories))

    return change


def encoded(world: World, graph: TemporalGraph) -> EncodedGraph:
    return encode_graph(world.ranker.encoding, graph.schema, graph)


def tokens(of: EncodedGraph, rows: Tensor, ranker: Ranker) -> list[Tensor]:
    """Member, item and activity tokens of seeds."""
    sampler, seeds = Sampler(of.graph), of.graph.seeds
    member, item, time = seeds.member[rows], seeds.item[rows], seeds.time[rows]
    with torch.no_grad():
        return [
            ranker.member_tokens(of, sampler.tree("member", member, time)),
            ranker.item_tokens(of, sampler.tree("item", item, time)),
            ranker.activity_tokens(of, sampler.activities(member, time, ranker.config.activities), time),
        ]


def test_scales_are_those_of_the_time_before_the_end_of_training(world: World) -> None:
    later = with_clicks(world.graph, other_where(lambda time: time >= until(world.graph)))
    assert Encoding.fit(later, until(world.graph)) == world.ranker.encoding
    earlier = with_clicks(world.graph, other_where(lambda time: time < until(world.graph)))
    assert Encoding.fit(earlier, until(world.graph)).edges["clicked"] != world.ranker.encoding.edges["clicked"]
    assert list(world.ranker.encoding.edges) == ["clicked", "liked", "follows", "authored"]
    assert Encoding.from_json(json.loads(json.dumps(world.ranker.encoding.to_json()))) == world.ranker.encoding


def test_both_directions_are_encoded_alike(world: World) -> None:
    found = {}
    for name in ("clicked", "rev_clicked"):
        edges, attributes = world.graph.edges[name], world.encoded.edges[name]
        ends = torch.stack([torch.repeat_interleave(edges.offsets.diff()), edges.target.long()])
        ends = ends if name == "clicked" else ends.flip(0)
        values = attributes.numbers, attributes.categories.float()
        rows = torch.cat([ends.T.float(), edges.time[:, None].float(), *values], dim=1)
        found[name] = sorted(rows.tolist())
    assert found["clicked"] == found["rev_clicked"]
    assert world.encoded.edges["liked"].numbers.shape == (len(world.graph.edges["liked"].time), 0)


@pytest.mark.parametrize("attributes", [True, False])
def test_tokens_depend_on_attributes_unless_switched_off(world: World, attributes: bool) -> None:
    ranker = ready(replace(CONFIG, edge_attributes=attributes))[2]
    rows = world.graph.seeds.rows("test")
    other = encoded(world, with_clicks(world.graph, other_where(lambda time: time < until(world.graph))))
    for one, two in zip(tokens(world.encoded, rows, ranker), tokens(other, rows, ranker), strict=True):
        assert torch.equal(one, two) != attributes


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_attributes_are_not_seen_before_their_edge(world: World, row: int) -> None:
    """Other attributes of every click at or after a seed, ties included, leave the seed's tokens bit for bit."""
    row %= len(world.graph.seeds)
    moment = int(world.graph.seeds.time[row])
    later = encoded(world, with_clicks(world.graph, other_where(lambda time: time >= moment)))
    rows = torch.tensor([row])
    assert all(map(torch.equal, tokens(world.encoded, rows, world.ranker), tokens(later, rows, world.ranker)))


def test_masked_places_have_zero_features_and_an_edge_type_may_be_empty(world: World) -> None:
    none = world.graph.edges["clicked"].time[:0]
    bare = with_clicks(
        world.graph,
        lambda edges: EdgeTensors(
            torch.zeros_like(edges.offsets), none.int(), none, none.float(), edges.numbers[:0], edges.categories[:0]
        ),
    )
    there = encoded(world, bare)
    seeds = world.graph.seeds
    branch = Sampler(bare).tree("member", seeds.member[:5], seeds.time[:5]).branches["clicked"]
    encoder = world.ranker.member_side.edges["clicked"]
    assert isinstance(encoder, EdgeEncoder)
    features = encoder(branch, there.edges["clicked"])
    assert features.shape == (5, 4, EDGE_FEATURES + ATTRIBUTES)
    assert not features.any()
    assert all(found.isfinite().all() for found in tokens(there, torch.arange(5), world.ranker))
    assert (there.edges["clicked"].numbers.shape, there.edges["clicked"].categories.shape) == ((1, 2), (1, 1))
    assert Encoding.fit(bare, until(world.graph)).edges["clicked"].vocabularies == ((),)


def test_values_that_training_never_saw_are_missing(world: World) -> None:
    schema = replace(
        world.graph.schema,
        edges=tuple(
            replace(e, attributes=(e.attributes[0], replace(e.attributes[1], vocabulary=("fax", "push"))))
            if e.attributes
            else e
            for e in world.graph.schema.edges
        ),
    )
    found = encoded(world, replace(world.graph, schema=schema)).edges["clicked"].categories
    codes = world.graph.edges["clicked"].categories
    assert torch.equal(found, torch.where(codes == 2, 2, 0).int())


def test_a_graph_with_other_attributes_is_refused(world: World) -> None:
    schema = replace(
        world.graph.schema, edges=tuple(replace(e, attributes=e.attributes[1:]) for e in world.graph.schema.edges)
    )
    graph = replace(with_clicks(world.graph, lambda e: replace(e, numbers=e.numbers[:, :0])), schema=schema)
    with pytest.raises(EncodingError, match=r"features of edge type clicked: expected .*seconds.*found \['surface"):
        encode_graph(world.ranker.encoding, world.graph.schema, graph)


def test_rows_of_the_sequence_are_looked_up_by_edge_type(world: World) -> None:
    """A click's token changes with the attributes of that very click, and no other token does."""
    rows = world.graph.seeds.rows("test")
    member, time = world.graph.seeds.member[rows], world.graph.seeds.time[rows]
    activities = Sampler(world.graph).activities(member, time, CONFIG.activities)
    clicks = activities.mask & (activities.edge == world.graph.schema.activity_edges.index("clicked"))
    row = int(activities.row[clicks][0])
    clicked = world.encoded.edges["clicked"]
    numbers = clicked.numbers.clone()
    numbers[row] += 3.0
    other = replace(world.encoded, edges={**world.encoded.edges, "clicked": replace(clicked, numbers=numbers)})
    with torch.no_grad():
        one, two = (world.ranker.activity_tokens(e, activities, time) for e in (world.encoded, other))
    moved = (one != two).any(dim=2)
    assert moved.any()
    assert torch.equal(moved, clicks & (activities.row == row))


def off(**switches: bool) -> tuple[EncodedGraph, Ranker]:
    config: ModelConfig = replace(CONFIG, **switches)  # type: ignore[arg-type]
    _, of, ranker = ready(config)
    return of, ranker


def test_without_item_neighbours_the_sequence_sees_the_item_alone(world: World) -> None:
    """Of what was acted on, the intrinsic edges that leave it (an item's creator) are not read."""
    rows = world.graph.seeds.rows("test")
    bare = {
        name: replace(edges, time=edges.time + 10**15) if name.endswith("authored") else edges
        for name, edges in world.graph.edges.items()
    }
    later = encoded(world, replace(world.graph, edges=bare))
    for neighbours in (True, False):
        of, ranker = off(item_neighbours=neighbours)
        one, two = (tokens(e, rows, ranker)[2] for e in (of, later))
        assert torch.equal(one, two) != neighbours


def test_without_id_embeddings_keys_have_no_effect(world: World) -> None:
    for ids in (True, False):
        of, ranker = off(id_embeddings=ids)
        nodes = {n: replace(x, id_hash=torch.where(x.id_hash < 0, -1, x.id_hash + 1)) for n, x in of.nodes.items()}
        with torch.no_grad():
            one, two = (ranker.input_table(e) for e in (of, replace(of, nodes=nodes)))
        assert torch.equal(one, two) != ids


@pytest.mark.parametrize(
    "switches",
    [{"attention": False}, {"item_neighbours": False}, {"id_embeddings": False}, {"edge_attributes": False}],
)
def test_a_switched_off_model_trains(switches: dict[str, bool]) -> None:
    of, ranker = off(**switches)
    sampler, seeds, rows = Sampler(of.graph), of.graph.seeds, torch.arange(20)
    member, time = seeds.member[rows], seeds.time[rows]
    found = [
        ranker.member_tokens(of, sampler.tree("member", member, time)),
        ranker.activity_tokens(of, sampler.activities(member, time, CONFIG.activities), time),
    ]
    sum(t.square().sum() for t in found).backward()  # type: ignore[union-attr]
    for name, parameter in (*ranker.member_side.named_parameters(), *ranker.activities.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_attributes_of_one_kind_are_read_as_well(world: World) -> None:
    encoding = world.ranker.encoding
    both = encoding.edges["clicked"]
    given = {
        "numbers": replace(both, categories=(), vocabularies=()),
        "categories": replace(both, numbers=()),
        "both": both,
        "none": replace(both, numbers=(), categories=(), vocabularies=()),
    }
    changed = replace(encoding, edges=given)
    found = {name: attributes_of(CONFIG, changed, name) for name in (*given, "rev_both", "pagerank")}
    assert found == {**given, "none": None, "rev_both": both, "pagerank": None}
    assert attributes_of(replace(CONFIG, edge_attributes=False), changed, "both") is None
