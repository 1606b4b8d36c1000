"""Names stored with the vectors: the members' activities, the items' creators and neighbors.

The model does not read them; business rules and explanations do, from the online store.
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


def activity_names(
    graph: TemporalGraph, activities: Activities, kinds: Sequence[tuple[str, str]]
) -> tuple[pa.ListArray, pa.ListArray]:
    """The kind's name and the target's key, as text, of each activity, (B,) lists of N; "" where masked.

    ``kinds``: name and target's node type of each value of ``activities.edge`` (``Family.activity_kinds``).
    """
    edge, target, mask = (part.cpu() for part in (activities.edge, activities.target, activities.mask))
    place = (edge + 1) * mask
    edges = pa.array(["", *(name for name, _ in kinds)]).take(pa.array(place.flatten().numpy()))
    nodes = ["", *(node for _, node in kinds)]
    keys = [pa.array([""] * place.numel(), pa.string())]
    for node in dict.fromkeys(nodes[1:]):
        here = torch.tensor([each == node for each in nodes])[place]
        keys.append(_keys(graph, node, target.where(here, -1).flatten()))
    # At most one of them holds a key for an activity, the others "".
    return lists_of(edges, *place.shape), lists_of(compute.max_element_wise(*keys), *place.shape)


def newest_neighbours(graph: TemporalGraph, node: str, edge: str | None, as_of: int) -> pa.Array:
    """(nodes,) the key, as text, of every node's last neighbor along ``edge``, in either direction, before ``as_of``.

    "" if there is none, or if ``edge`` is None. Raises TrainingError if ``node`` is at neither end of ``edge``.
    """
    count = graph.schema.node(node).count
    if edge is None:
        return pa.array([""] * count, pa.string())
    found = [each for each in graph.schema.edges if each.name in (edge, REVERSE + edge) and each.source == node]
    if not found:
        raise TrainingError(f"edge type {edge}: expected one with {node} at one end; found none. Build the graph again")
    edges, nodes = graph.edges[found[0].name], torch.arange(count, device=graph.device)
    end = edges.timeline.end(nodes, torch.full_like(nodes, as_of))
    exists = end > edges.offsets[nodes]
    newest = torch.full_like(nodes, -1)
    newest[exists] = edges.target[end[exists] - 1].long()
    return _keys(graph, found[0].target, newest)


def place_names(graph: TemporalGraph, paths: Sequence[Path], nodes: Tensor) -> pa.Array:
    """(B,) the keys at the places of an item's overlap, as one JSON list per row; "" at an empty place.

    ``nodes`` (B, places) int64, as ``Overlap.nodes`` returns them. JSON, so that a store returns it unparsed.
    """
    names = [np.empty((len(nodes), 0), object)]
    for path, part in zip(paths, nodes.split([path.places for path in paths], dim=1), strict=True):
        names.append(_keys(graph, path.node, part.flatten()).to_numpy(zero_copy_only=False).reshape(part.shape))
    rows = np.concatenate(names, axis=1).tolist()
    return pa.array([json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows], pa.string())


def _keys(graph: TemporalGraph, node: str, places: Tensor) -> pa.StringArray:
    """(n,) the keys of the nodes ``places`` (n,) as text; "" where negative."""
    index = places.cpu().numpy()
    return graph.keys(node).take(pa.array(index, mask=index < 0)).cast(pa.string()).fill_null("")


def lists_of(values: pa.Array, rows: int, length: int) -> pa.ListArray:
    """(rows * length,) -> (rows,) lists of ``length`` values."""
    offsets = np.arange(rows + 1, dtype=np.int32) * length
    return pa.ListArray.from_arrays(pa.array(offsets), values)
