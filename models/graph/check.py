"""What a digest cannot say of a stored graph: that its schema holds, and its tensors fit it and each other.

Digests find damage; these checks find a writer's mistake, which would otherwise show as a wrong neighbour. They read
what the digests have just read: a second over 100 million edges, against some seconds of hashing.
"""

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.errors import GraphFormatError
from models.graph.schema import REVERSE, EdgeType, FeatureColumn, GraphSchema
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, tensors_of

_PIECE = 1 << 24
_FLOATS = {"weight", "numbers", "vectors", "labels", "frozen_numbers"}


def check(
    schema: GraphSchema,
    nodes: Mapping[str, NodeTensors],
    edges: Mapping[str, EdgeTensors],
    seeds: Seeds,
    keys: Mapping[str, pa.Array],
) -> None:
    """Raise GraphFormatError where the schema contradicts itself, or a tensor the schema.

    Of a tensor: its type or shape, an offset, a target, the order of times.
    """
    _check_schema(schema)
    count = {node.name: node.count for node in schema.nodes}
    for node in schema.nodes:
        _expect(f"keys of node {node.name!r}", "length", len(keys[node.name]), node.count)
        _check_node(f"node {node.name!r}", node.count, node.features, nodes[node.name])
    for edge in schema.edges:
        _check_edge(edge, count[edge.source], count[edge.target], edges[edge.name])
    _check_seeds(schema, count, seeds)


def _check_schema(schema: GraphSchema) -> None:
    """Names and numbers. A PageRank's branch is named like an edge type, so no name may stand twice among both."""
    nodes, edges = {node.name for node in schema.nodes}, {edge.name: edge for edge in schema.edges}
    _check_once("node types", [node.name for node in schema.nodes])
    _check_once("branches", [branch.name for branch in schema.branches])
    _check_known("activity_edges", schema.activity_edges, edges)
    _check_known("seeds", (schema.seeds.member, schema.seeds.item), nodes)
    for edge in schema.edges:
        what, name = f"edge {edge.name!r}", edge.name
        _check_known(what, (edge.source, edge.target), nodes)
        other = edges.get(name.removeprefix(REVERSE) if name.startswith(REVERSE) else REVERSE + name)
        turned = other is not None and (other.source, other.target) == (edge.target, edge.source)
        _require(turned, what, "its other direction, between the same node types")
        _require(other is not None and other.attributes == edge.attributes, what, "the other direction's attributes")
        vectors = [column.name for column in edge.attributes if column.kind == "vector"]
        _expect(what, "attributes that are vectors", vectors, [])
        _require(min(edge.fan_out, default=0) >= 0, what, "fan-outs of 0 or more")
        _require(edge.window is None or edge.window >= 0, what, "a window of 0 or more")
    for rank in schema.pageranks:
        what = f"PageRank {rank.name!r}"
        _check_known(what, (rank.source, rank.target), nodes)
        _check_known(what, rank.edges, edges)
        _require(min(rank.walks, rank.steps, rank.fan_out) >= 1, what, "walks, steps and fan_out of 1 or more")
        _require(0 < rank.restart < 1, what, "a restart between 0 and 1")
        _require(rank.epsilon > 0, what, "an epsilon above 0")


def _check_once(what: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    _expect(what, "names that stand twice", repeated, [])


def _check_known(what: str, named: Iterable[str], known: Collection[str]) -> None:
    for name in named:
        if name not in known:
            raise GraphFormatError(f"{what}: expected one of {', '.join(sorted(known))}; found {name!r}")


def _check_node(what: str, count: int, features: tuple[FeatureColumn, ...], node: NodeTensors) -> None:
    _check_types(what, node)
    rows, sizes = len(node.version_time), _sizes(features)
    shapes = {"id_hash": (count,), "version_time": (rows,), **{name: (rows, size) for name, size in sizes.items()}}
    for name, shape in shapes.items():
        _expect(what, f"{name} of shape", tuple(getattr(node, name).shape), shape)
    _check_rows(what, node.version_offsets, node.version_time, count)


def _check_edge(edge_type: EdgeType, sources: int, targets: int, edge: EdgeTensors) -> None:
    what, rows, sizes = f"edge {edge_type.name!r}", len(edge.time), _sizes(edge_type.attributes)
    _check_types(what, edge, target=torch.int32, categories=torch.int32)
    for name in ("numbers", "categories"):
        _expect(what, f"{name} of shape", tuple(getattr(edge, name).shape), (rows, sizes[name]))
    coded = [column for column in edge_type.attributes if column.kind == "category"]
    for place, column in enumerate(coded):
        _check_range(what, f"codes of {column.name!r}", edge.categories[:, place], 0, len(column.vocabulary) + 1)
    _expect(what, "target of shape", tuple(edge.target.shape), (rows,))
    if len(edge.weight):
        _expect(what, "weight of shape", tuple(edge.weight.shape), (rows,))
        good = all(bool((piece >= 0).all() and piece.isfinite().all()) for piece in edge.weight.split(_PIECE))
        _require(good, what, "weights that are finite and not negative")
    _check_range(what, "targets", edge.target, 0, targets)
    _check_rows(what, edge.offsets, edge.time, sources)


def _check_seeds(schema: GraphSchema, count: Mapping[str, int], seeds: Seeds) -> None:
    _check_types("seeds", seeds)
    rows, sizes = len(seeds.time), _sizes(schema.seeds.features)
    wide = {
        "numbers": sizes["numbers"],
        "frozen_numbers": sizes["numbers"],
        "categories": sizes["categories"],
        "frozen_categories": sizes["categories"],
        "labels": len(schema.seeds.tasks),
    }
    for name, tensor in tensors_of(seeds).items():
        shape = (rows, wide[name]) if name in wide else (rows,)
        _expect("seeds", f"{name} of shape", tuple(tensor.shape), shape)
    _expect("seeds", "keys of length", len(seeds.keys), rows)
    limits = {
        "member": (-1, count[schema.seeds.member]),
        "item": (-1, count[schema.seeds.item]),
        "surface": (0, len(schema.seeds.surfaces)),
        "window": (0, len(schema.seeds.windows)),
    }
    for name, (low, end) in limits.items():
        _check_range("seeds", name, getattr(seeds, name), low, end)
    _require(bool((seeds.time.diff() >= 0).all()), "seeds", "ascending times")


def _check_rows(what: str, offsets: Tensor, time: Tensor, owners: int) -> None:
    """The rows of each owner: where they begin, and that their times ascend."""
    _expect(what, "offsets of shape", tuple(offsets.shape), (owners + 1,))
    _expect(what, "the first and last offset", (int(offsets[0]), int(offsets[-1])), (0, len(time)))
    _require(bool((offsets.diff() >= 0).all()), what, "ascending offsets")
    begins = torch.zeros(len(time) + 1, dtype=torch.bool)
    begins[offsets] = True
    for start in range(0, len(time) - 1, _PIECE):
        piece = time[start : start + _PIECE + 1]
        ascends = piece.diff() >= 0
        _require(bool((ascends | begins[start + 1 : start + len(piece)]).all()), what, "times that ascend in each node")


def _check_types(what: str, group: EdgeTensors | NodeTensors | Seeds, **others: torch.dtype) -> None:
    for name, tensor in tensors_of(group).items():
        expected = others.get(name, torch.float32 if name in _FLOATS else torch.int64)
        _expect(what, f"{name} of type", tensor.dtype, expected)


def _check_range(what: str, name: str, values: Tensor, low: int, end: int) -> None:
    if len(values):
        bounds = torch.aminmax(values)
        found = (int(bounds.min), int(bounds.max))
        if found[0] < low or found[1] >= end:
            raise GraphFormatError(f"{what}: expected {name} from {low} to {end - 1}; found {found[0]} to {found[1]}")


def _sizes(features: tuple[FeatureColumn, ...]) -> dict[str, int]:
    """The width of each kind's tensor."""
    return {
        "numbers": sum(feature.kind == "number" for feature in features),
        "categories": sum(feature.kind == "category" for feature in features),
        "vectors": sum(feature.size for feature in features if feature.kind == "vector"),
    }


def _expect(what: str, name: str, found: object, expected: object) -> None:
    if found != expected:
        raise GraphFormatError(f"{what}: expected {name} {expected}; found {found}")


def _require(holds: bool, what: str, expected: str) -> None:
    if not holds:
        raise GraphFormatError(f"{what}: expected {expected}; found others")
