"""What edges say: fitted before the end of training, seen with the edge and never before it, in trees and sequence."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors
from models.nn.config import ModelConfig
from models.nn.edges import ATTRIBUTES, EDGE_FEATURES, EdgeEncoder
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.errors import EncodingError
from models.nn.model import Ranker
from tests.nn.batches import CONFIG, ready

GRAPH, ENCODED, RANKER = ready()
UNTIL = GRAPH.schema.window("train").end


def saying(change: Callable[[EdgeTensors], EdgeTensors]) -> TemporalGraph:
    """The graph with other clicks, in both directions."""
    return replace(
        GRAPH, edges={**GRAPH.edges, **{name: change(GRAPH.edges[name]) for name in ("clicked", "rev_clicked")}}
    )


def other_where(rows: Callable[[Tensor], Tensor]) -> Callable[[EdgeTensors], EdgeTensors]:
    """Other attributes where ``rows`` of the times (edges,) says so."""

    def change(edges: EdgeTensors) -> EdgeTensors:
        there = rows(edges.time).unsqueeze(1)
        numbers = torch.where(there, 500.0, edges.numbers)
        return replace(edges, numbers=numbers, categories=torch.where(there, 2 - edges.categories, edges.categories))

    return change


def encoded(graph: TemporalGraph) -> EncodedGraph:
    return encode_graph(RANKER.encoding, graph.schema, graph)


def tokens(of: EncodedGraph, rows: Tensor, ranker: Ranker = RANKER) -> list[Tensor]:
    """Member, item and activity tokens of seeds."""
    sampler, seeds = Sampler(of.graph), of.graph.seeds
    member, item, time = seeds.member[rows], seeds.item[rows], seeds.time[rows]
    with torch.no_grad():
        return [
            ranker.member_tokens(of, sampler.tree("member", member, time)),
            ranker.item_tokens(of, sampler.tree("item", item, time)),
            ranker.activity_tokens(of, sampler.activities(member, time, ranker.config.activities), time),
        ]


def test_scales_are_those_of_the_time_before_the_end_of_training() -> None:
    later = saying(other_where(lambda time: time >= UNTIL))
    assert Encoding.fit(later, UNTIL) == RANKER.encoding
    earlier = saying(other_where(lambda time: time < UNTIL))
    assert Encoding.fit(earlier, UNTIL).edges["clicked"] != RANKER.encoding.edges["clicked"]
    assert list(RANKER.encoding.edges) == ["clicked", "liked", "follows", "authored"]
    assert Encoding.from_json(json.loads(json.dumps(RANKER.encoding.to_json()))) == RANKER.encoding


def test_both_directions_are_encoded_alike() -> None:
    found = {}
    for name in ("clicked", "rev_clicked"):
        edges, said = GRAPH.edges[name], ENCODED.edges[name]
        ends = torch.stack([torch.repeat_interleave(edges.offsets.diff()), edges.target.long()])
        ends = ends if name == "clicked" else ends.flip(0)
        rows = torch.cat([ends.T.float(), edges.time[:, None].float(), said.numbers, said.categories.float()], dim=1)
        found[name] = sorted(rows.tolist())
    assert found["clicked"] == found["rev_clicked"]
    assert ENCODED.edges["liked"].numbers.shape == (len(GRAPH.edges["liked"].time), 0)


@pytest.mark.parametrize("attributes", [True, False])
def test_tokens_depend_on_what_edges_say_unless_switched_off(attributes: bool) -> None:
    ranker = ready(replace(CONFIG, edge_attributes=attributes))[2]
    rows = GRAPH.seeds.rows("test")
    other = encoded(saying(other_where(lambda time: time < UNTIL)))
    for one, two in zip(tokens(ENCODED, rows, ranker), tokens(other, rows, ranker), strict=True):
        assert torch.equal(one, two) != attributes


@given(st.integers(0, len(GRAPH.seeds) - 1))
@settings(max_examples=30, deadline=None)
def test_what_an_edge_says_is_not_seen_before_the_edge(row: int) -> None:
    """Every click at or after a seed says something else, ties included: the seed's tokens stay the same bits."""
    moment = int(GRAPH.seeds.time[row])
    later = encoded(saying(other_where(lambda time: time >= moment)))
    rows = torch.tensor([row])
    assert all(map(torch.equal, tokens(ENCODED, rows), tokens(later, rows)))


def test_masked_places_say_nothing_and_an_empty_edge_type_is_legal() -> None:
    none = GRAPH.edges["clicked"].time[:0]
    bare = saying(
        lambda edges: EdgeTensors(
            torch.zeros_like(edges.offsets), none.int(), none, none.float(), edges.numbers[:0], edges.categories[:0]
        )
    )
    there = encoded(bare)
    seeds = GRAPH.seeds
    branch = Sampler(bare).tree("member", seeds.member[:5], seeds.time[:5]).branches["clicked"]
    encoder = RANKER.member_side.edges["clicked"]
    assert isinstance(encoder, EdgeEncoder)
    said = encoder(branch, there.edges["clicked"])
    assert said.shape == (5, 4, EDGE_FEATURES + ATTRIBUTES)
    assert not said.any()
    assert all(found.isfinite().all() for found in tokens(there, torch.arange(5)))
    assert Encoding.fit(bare, UNTIL).edges["clicked"].vocabularies == ((),)


def test_values_that_training_never_saw_are_missing() -> None:
    schema = replace(
        GRAPH.schema,
        edges=tuple(
            replace(e, attributes=(e.attributes[0], replace(e.attributes[1], vocabulary=("fax", "push"))))
            if e.attributes
            else e
            for e in GRAPH.schema.edges
        ),
    )
    found = encoded(replace(GRAPH, schema=schema)).edges["clicked"].categories
    codes = GRAPH.edges["clicked"].categories
    assert torch.equal(found, torch.where(codes == 2, 2, 0).int())


def test_a_graph_with_other_attributes_is_refused() -> None:
    schema = replace(GRAPH.schema, edges=tuple(replace(e, attributes=e.attributes[1:]) for e in GRAPH.schema.edges))
    graph = replace(saying(lambda e: replace(e, numbers=e.numbers[:, :0])), schema=schema)
    with pytest.raises(EncodingError, match=r"features of edge type clicked: expected .*seconds.*found \['surface"):
        encode_graph(RANKER.encoding, GRAPH.schema, graph)


def test_rows_of_the_sequence_are_looked_up_by_edge_type() -> None:
    """A click's token moves with what that very click says, and no other token does."""
    rows = GRAPH.seeds.rows("test")
    member, time = GRAPH.seeds.member[rows], GRAPH.seeds.time[rows]
    activities = Sampler(GRAPH).activities(member, time, CONFIG.activities)
    clicks = activities.mask & (activities.edge == GRAPH.schema.activity_edges.index("clicked"))
    row = int(activities.row[clicks][0])
    said = ENCODED.edges["clicked"]
    numbers = said.numbers.clone()
    numbers[row] += 3.0
    other = replace(ENCODED, edges={**ENCODED.edges, "clicked": replace(said, numbers=numbers)})
    with torch.no_grad():
        one, two = (RANKER.activity_tokens(e, activities, time) for e in (ENCODED, other))
    moved = (one != two).any(dim=2)
    assert moved.any()
    assert torch.equal(moved, clicks & (activities.row == row))


def test_the_device_can_be_chosen() -> None:
    there = ENCODED.to("cpu")
    assert torch.equal(there.edges["clicked"].numbers, ENCODED.edges["clicked"].numbers)


def test_without_attention_a_message_is_the_mean() -> None:
    from models.nn.aggregation import BranchMean

    mean = BranchMean(width=4, edge=2)
    neighbour, edge = torch.randn(2, 3, 4), torch.randn(2, 3, 2)
    mask = torch.tensor([[True, False, True], [False] * 3])
    found = mean(torch.randn(2, 4), neighbour, mask, edge)
    both = torch.cat([neighbour, edge], dim=2)[0]
    torch.testing.assert_close(found[0, 0], mean.out((both[0] + both[2]) / 2))
    assert not found[1].any()


def off(**switches: bool) -> tuple[EncodedGraph, Ranker]:
    config: ModelConfig = replace(CONFIG, **switches)  # type: ignore[arg-type]
    _, of, ranker = ready(config)
    return of, ranker


def test_without_item_neighbours_the_sequence_sees_the_item_alone() -> None:
    """Of what was acted on, the intrinsic edges that leave it (an item's creator) are not read."""
    rows = GRAPH.seeds.rows("test")
    bare = {
        name: replace(edges, time=edges.time + 10**15) if name.endswith("authored") else edges
        for name, edges in GRAPH.edges.items()
    }
    later = encoded(replace(GRAPH, edges=bare))
    for neighbours in (True, False):
        of, ranker = off(item_neighbours=neighbours)
        one, two = (tokens(e, rows, ranker)[2] for e in (of, later))
        assert torch.equal(one, two) != neighbours


def test_without_id_embeddings_keys_say_nothing() -> None:
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
