"""Names beside the vectors: what a member's activities were, whose an item is, and who stands around it.

The model does not read them. Business rules and explanations do, so that both work on what the online store holds.
"""

import json
from collections.abc import Sequence

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.schema import REVERSE
from models.graph.store import TemporalGraph
from models.graph.tree import Activities
from models.nn.overlap import Path
from models.training.errors import TrainingError


def activity_names(graph: TemporalGraph, activities: Activities) -> tuple[pa.ListArray, pa.ListArray]:
    """Of each activity (B, N): the name of its edge type, and the key of its target as text; "" where masked."""
    schema = graph.schema
    keys, first = [pa.array([""])], {}
    for node in dict.fromkeys(schema.targets[name] for name in schema.activity_edges):
        first[node] = sum(map(len, keys))
        keys.append(graph.keys(node).cast(pa.string()))
    offset = torch.tensor([first[schema.targets[name]] for name in schema.activity_edges] or [0])
    edge, target, mask = (part.cpu() for part in (activities.edge, activities.target, activities.mask))
    return (
        _lists(pa.array(["", *schema.activity_edges]), (edge + 1) * mask),
        _lists(pa.concat_arrays(keys), (offset[edge] + target) * mask),
    )


def newest_neighbours(graph: TemporalGraph, node: str, edge: str | None, as_of: int) -> pa.Array:
    """The key, as text, of every node's last neighbour along that edge type, in either direction, before ``as_of``.

    "" where there is none, or where ``edge`` is None. Raises TrainingError for an edge type that does not begin there.
    """
    count = graph.schema.node(node).count
    if edge is None:
        return pa.array([""] * count, pa.string())
    found = [each for each in graph.schema.edges if each.name in (edge, REVERSE + edge) and each.source == node]
    if not found:
        raise TrainingError(f"edge type {edge}: expected one with {node} at one end; found none. Build the graph again")
    said, nodes = graph.edges[found[0].name], torch.arange(count, device=graph.device)
    end = said.timeline.end(nodes, torch.full_like(nodes, as_of))
    there = end > said.offsets[nodes]
    target = torch.zeros_like(nodes)
    target[there] = said.target[end[there] - 1].long() + 1
    names = pa.concat_arrays([pa.array([""]), graph.keys(found[0].target).cast(pa.string())])
    return names.take(pa.array(target.cpu().numpy()))


def place_names(graph: TemporalGraph, paths: Sequence[Path], nodes: Tensor) -> pa.Array:
    """The keys at the places of an item's overlap, as a JSON list a row; "" where there is none.

    ``nodes`` (B, places): as ``Overlap.nodes`` gives them. One text a row: a store hands it out unread.
    """
    columns: list[list[str]] = []
    for path, part in zip(paths, nodes.cpu().split([path.places for path in paths], dim=1), strict=True):
        names = pa.concat_arrays([pa.array([""]), graph.keys(path.node).cast(pa.string())])
        columns += [names.take(pa.array(place.numpy())).to_pylist() for place in (part + 1).unbind(dim=1)]
    rows = zip(*columns, strict=True) if columns else ([] for _ in range(len(nodes)))
    return pa.array([json.dumps(list(row), ensure_ascii=False, separators=(",", ":")) for row in rows], pa.string())


def _lists(names: pa.Array, places: Tensor) -> pa.ListArray:
    """(B, N) places among the names, as B lists of N."""
    offsets = torch.arange(len(places) + 1, dtype=torch.int32) * places.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets.numpy()), names.take(pa.array(places.flatten().numpy())))
