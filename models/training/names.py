"""Names beside the vectors: what a member's activities were, whose an item is, and who stands around it.

The model does not read them. Business rules and explanations do, so that both work on what the online store holds.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
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
    edge, target, mask = (part.cpu() for part in (activities.edge, activities.target, activities.mask))
    place = (edge + 1) * mask
    edges = pa.array(["", *schema.activity_edges]).take(pa.array(place.flatten().numpy()))
    nodes = ["", *(schema.targets[name] for name in schema.activity_edges)]
    keys = [pa.array([""] * place.numel(), pa.string())]
    for node in dict.fromkeys(nodes[1:]):
        here = torch.tensor([each == node for each in nodes])[place]
        keys.append(_keys(graph, node, target.where(here, -1).flatten()))
    # Each activity has a key in one of them at most: the one that is not "".
    return _lists(edges, *place.shape), _lists(compute.max_element_wise(*keys), *place.shape)


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
    newest = torch.full_like(nodes, -1)
    newest[there] = said.target[end[there] - 1].long()
    return _keys(graph, found[0].target, newest)


def place_names(graph: TemporalGraph, paths: Sequence[Path], nodes: Tensor) -> pa.Array:
    """The keys at the places of an item's overlap, as a JSON list a row; "" where there is none.

    ``nodes`` (B, places): as ``Overlap.nodes`` gives them. One text a row: a store hands it out unread.
    """
    names = [np.empty((len(nodes), 0), object)]
    for path, part in zip(paths, nodes.split([path.places for path in paths], dim=1), strict=True):
        names.append(_keys(graph, path.node, part.flatten()).to_numpy(zero_copy_only=False).reshape(part.shape))
    rows = np.concatenate(names, axis=1).tolist()
    return pa.array([json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows], pa.string())


def _keys(graph: TemporalGraph, node: str, places: Tensor) -> pa.StringArray:
    """The keys at ``places`` (n,) of that node type as text; "" where a place is negative."""
    index = places.cpu().numpy()
    return graph.keys(node).take(pa.array(index, mask=index < 0)).cast(pa.string()).fill_null("")


def _lists(names: pa.Array, rows: int, length: int) -> pa.ListArray:
    """As many lists of that length."""
    offsets = torch.arange(rows + 1, dtype=torch.int32) * length
    return pa.ListArray.from_arrays(pa.array(offsets.numpy()), names)
