from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.fakes import START
from models.graph.sample import as_of_version
from models.nn.encoded import encode_graph, unknown_node
from models.time_units import DAY
from tests.models.nn.batches import World


@given(st.integers(-1, 11), st.integers(-8 * 24, 25 * 24))
@settings(max_examples=150, deadline=None)
def test_the_state_is_the_last_version_strictly_before(world: World, member: int, hour: int) -> None:
    time = START + hour * DAY // 24
    rows = world.graph.nodes["member"]
    start, end = rows.version_offsets[member : member + 2].tolist() if member >= 0 else (0, 0)
    earlier = [row for row in range(start, end) if rows.version_time[row] < time]
    versions, nodes = len(rows.version_time), len(rows.id_hash)
    expected = versions + nodes if member < 0 else earlier[-1] if earlier else versions + member
    found = world.encoded.node_state("member", torch.tensor([member]), torch.tensor([time]))
    assert found.tolist() == [world.encoded.nodes["member"].first + expected]


def test_a_type_with_one_version_a_node_needs_no_search(world: World) -> None:
    rows = world.graph.nodes["member"]
    count = len(rows.id_hash)
    single = replace(
        rows,
        version_offsets=torch.arange(count + 1),
        version_time=rows.version_time[:1] + torch.arange(count) % 3 * DAY,
        numbers=rows.numbers[:1].expand(count, -1),
        categories=rows.categories[:1].expand(count, -1),
        vectors=rows.vectors[:1].expand(count, -1),
    )
    graph = replace(world.graph, nodes={**world.graph.nodes, "member": single})
    encoded = encode_graph(world.ranker.encoding, graph.schema, graph)
    assert encoded.nodes["member"].one_version
    index = torch.arange(-1, count).repeat(4)
    time = rows.version_time[0] + torch.arange(4).repeat_interleave(count + 1) * DAY
    version = as_of_version(single, index, time)
    found = encoded.node_state("member", index, time) - encoded.nodes["member"].first
    assert (found == torch.where(version >= 0, version, torch.where(index >= 0, count + index, 2 * count))).all()


def test_a_state_before_the_first_version_has_only_the_key(world: World) -> None:
    member, nodes = world.encoded.nodes["member"], world.graph.nodes["member"]
    versions = len(nodes.version_time)
    assert (member.numbers[versions:] == member.numbers[-1]).all()
    unknown = unknown_node(world.ranker.encoding.nodes["member"])
    assert torch.equal(member.numbers[-1:], unknown.numbers)
    assert (unknown.first, unknown.one_version, unknown.id_hash.tolist()) == (0, False, [-1])
    assert (member.categories[versions:] == 0).all()
    assert (member.id_hash[versions:-1] == nodes.id_hash).all()
    assert member.id_hash[-1] == -1


@pytest.mark.parametrize("count", [0, 1])
def test_a_type_may_have_one_node_or_none(world: World, count: int) -> None:
    rows = world.graph.nodes["member"]
    few = replace(
        rows,
        id_hash=rows.id_hash[:count],
        version_offsets=torch.arange(count + 1),
        version_time=rows.version_time[:count],
        numbers=rows.numbers[:count],
        categories=rows.categories[:count],
        vectors=rows.vectors[:count],
    )
    graph = replace(world.graph, nodes={**world.graph.nodes, "member": few})
    encoded = encode_graph(world.ranker.encoding, graph.schema, graph)
    assert encoded.nodes["member"].one_version == (count == 1)
    index = torch.arange(-1, count)
    late = encoded.node_state("member", index, torch.full_like(index, 2**60))
    assert late.tolist() == [2 * count, 0][: count + 1]
    early = encoded.node_state("member", index, torch.full_like(index, -(2**60)))
    assert early.tolist() == [2 * count, 1][: count + 1]
