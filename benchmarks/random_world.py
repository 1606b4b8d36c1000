"""Random graph in memory, of any size: members, items and timed edges between them, uniformly distributed."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.schema import REVERSE, EdgeType, GraphSchema, NodeType, SeedSchema
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, without_attributes

DAY = 86_400_000_000
SPAN = 35 * DAY
"""Edges span this many microseconds; seeds are in the 14 days after half of the span."""


def random_world(
    members: int, items: int, edges: int, types: int, fan_out: Sequence[int], device: str = "cpu"
) -> TemporalGraph:
    """``types`` edge types with ``edges`` member -> item edges each, sampled in both directions with equal fan-outs."""
    schema_edges, tensors = [], {}
    for number in range(types):
        name = f"acted_{number}"
        forward, backward = _edges(members, items, edges, number, device)
        for key, source, target, rows in (
            (name, "member", "item", forward),
            (REVERSE + name, "item", "member", backward),
        ):
            schema_edges.append(EdgeType(key, source, target, "engagement", "feed", tuple(fan_out)))
            tensors[key] = rows
    return bare_graph({"member": members, "item": items}, schema_edges, tensors)


def bare_graph(nodes: dict[str, int], types: Sequence[EdgeType], edges: dict[str, EdgeTensors]) -> TemporalGraph:
    """A graph with edges only: no features, no activities, no seeds."""
    first = next(iter(nodes))
    schema = GraphSchema(
        nodes=tuple(NodeType(name, count) for name, count in nodes.items()),
        edges=tuple(types),
        activity_edges=(),
        seeds=SeedSchema(first, first, (), (), (), 0, ()),
    )
    nothing = torch.zeros(0, dtype=torch.int64, device=next(iter(edges.values())).time.device)
    versions = {name: NodeTensors(*[nothing] * len(fields(NodeTensors))) for name in nodes}
    tensors: dict[str, Any] = {field.name: nothing for field in fields(Seeds)}
    seeds = Seeds(**{**tensors, "keys": pa.array([], pa.int64()), "windows": (), "cold_member": None})
    return TemporalGraph(schema, edges, versions, seeds, {})


def random_seeds(members: int, count: int, device: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(count,) members and (count,) times in random order, after the middle of the edges' span."""
    generator = torch.Generator(device=device).manual_seed(seed)
    index = torch.randint(members, (count,), generator=generator, device=device)
    return index, torch.randint(SPAN // 2, SPAN // 2 + 14 * DAY, (count,), generator=generator, device=device)


def _edges(members: int, items: int, edges: int, number: int, device: str) -> tuple[EdgeTensors, EdgeTensors]:
    generator = torch.Generator(device=device).manual_seed(1 + number)
    member = torch.randint(members, (edges,), generator=generator, device=device, dtype=torch.int32)
    item = torch.randint(items, (edges,), generator=generator, device=device, dtype=torch.int32)
    time = torch.randint(SPAN, (edges,), generator=generator, device=device)
    return csr(member, item, time, members), csr(item, member, time, items)


def csr(source: Tensor, target: Tensor, time: Tensor, sources: int) -> EdgeTensors:
    """Edges with unit weight, sorted by (source, time)."""
    key, order = (source.long() * SPAN + time).sort()  # both fit into one int64: 2^20 sources, 2^42 microseconds
    owner = torch.arange(sources + 1, device=key.device) * SPAN
    time = key % SPAN
    unit = torch.zeros(0, device=key.device)
    return EdgeTensors(torch.searchsorted(key, owner), target[order], time, unit, *without_attributes(time))
