"""Consistency checks of a loaded graph: the schema is valid, and tensors fit it and each other.

Digests detect damaged files; these checks detect bugs of a writer, which would otherwise give wrong neighbors. They
read what was just hashed: one second for 100 million edges, next to some seconds of hashing.
"""

from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.errors import GraphFormatError
from models.graph.schema import REVERSE, EdgeType, FeatureColumn, GraphSchema
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, tensors_of
from models.graph.timeline import LATEST
from models.time_units import DAY

_PIECE = 1 << 24
"""Rows that are checked at once: bounds the memory."""
_FLOATS = {"weight", "numbers", "vectors", "labels", "frozen_numbers"}


def check(
    schema: GraphSchema,
    nodes: Mapping[str, NodeTensors],
    edges: Mapping[str, EdgeTensors],
    seeds: Seeds,
    keys: Mapping[str, pa.Array],
) -> None:
    """Raise GraphFormatError if the schema is inconsistent or a tensor does not fit it.

    ``nodes``, ``edges`` and ``keys`` are by the name of the node or edge type. Checks of a tensor: type, shape,
    offsets, targets, category codes, order of times, and infinite or otherwise invalid numbers.
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
    """Names and numbers of the schema. PageRanks and edge types are both branches: their names must be distinct."""
    nodes, edges = {node.name for node in schema.nodes}, {edge.name: edge for edge in schema.edges}
    _check_once("node types", [node.name for node in schema.nodes])
    _check_once("branches", [branch.name for branch in schema.branches])
    _check_known("activity_edges", schema.activity_edges, edges)
    _check_known("seeds", (schema.seeds.member, schema.seeds.item), nodes)
    for edge in schema.edges:
        what, name = f"edge {edge.name!r}", edge.name
        _check_known(what, (edge.source, edge.target), nodes)
        other = edges.get(name.removeprefix(REVERSE) if name.startswith(REVERSE) else REVERSE + name)
        mirrored = other is not None and (other.source, other.target) == (edge.target, edge.source)
        _require(mirrored, what, "its other direction, between the same node types")
        _require(other is not None and other.attributes == edge.attributes, what, "the other direction's attributes")
        vectors = [column.name for column in edge.attributes if column.kind == "vector"]
        _expect(what, "attributes that are vectors", vectors, [])
        _require(min(edge.fan_out, default=0) >= 0, what, "fan-outs of 0 or more")
        # A longer window would underflow int64.
        _require(edge.window is None or _is_whole(edge.window, 0, LATEST), what, "a window of 0 or more, to 2^62")
    _check_windows(schema)
    for rank in schema.pageranks:
        what = f"PageRank {rank.name!r}"
        _check_known(what, (rank.source, rank.target), nodes)
        _check_known(what, rank.edges, edges)
        _require(min(rank.walks, rank.steps, rank.fan_out) >= 1, what, "walks, steps and fan_out of 1 or more")
        _require(0 < rank.restart < 1, what, "a restart between 0 and 1")
        _require(rank.epsilon > 0, what, "an epsilon above 0")


def _check_windows(schema: GraphSchema) -> None:
    """Windows are in order: each starts at or after the end of the one before."""
    end = -LATEST
    _check_once("windows", [window.name for window in schema.seeds.windows])
    for window in schema.seeds.windows:
        what = f"window {window.name!r}"
        whole = all(_is_whole(moment, -LATEST, LATEST) for moment in (window.start, window.end))
        _require(whole, what, "moments within 2^62 microseconds of 1970")
        _require(window.start <= window.end, what, f"an end not before its start {window.start}", window.end)
        _require(window.start >= end, what, f"a start not before {end}, the end of the one before", window.start)
        end = window.end
    _require(_is_whole(schema.seeds.timezone_offset, -DAY, DAY), "timezone_offset", "microseconds within a day")
    for task in schema.seeds.tasks:
        _require(0 <= task.weight < float("inf"), f"task {task.name!r}", "a finite weight of 0 or more", task.weight)


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_once(what: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    _require(not repeated, what, "each name once", f"{repeated} repeated")


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
    _check_codes(what, features, node.categories)
    _check_values(what, node.numbers, node.vectors)
    _require(bool((node.id_hash >= 0).all()), what, "id hashes of 0 or more")
    _check_rows(what, node.version_offsets, node.version_time, count)


def _check_codes(what: str, features: tuple[FeatureColumn, ...], categories: Tensor, name: str = "codes") -> None:
    """Category codes are positions in the vocabulary from 1; 0 = missing."""
    for place, column in enumerate([feature for feature in features if feature.kind == "category"]):
        _check_range(what, f"{name} of {column.name!r}", categories[:, place], 0, len(column.vocabulary) + 1)


def _check_values(what: str, numbers: Tensor, vectors: Tensor | None = None) -> None:
    """Numbers are finite or NaN (missing), vectors are finite."""
    infinite = any(bool(piece.isinf().any()) for piece in numbers.split(_PIECE) if piece.numel())
    _require(not infinite, what, "numbers that are finite, or NaN where missing", "an infinite one")
    finite = vectors is None or all(bool(piece.isfinite().all()) for piece in vectors.split(_PIECE))
    _require(finite, what, "vectors of finite numbers")


def _check_edge(edge_type: EdgeType, sources: int, targets: int, edge: EdgeTensors) -> None:
    what, rows, sizes = f"edge {edge_type.name!r}", len(edge.time), _sizes(edge_type.attributes)
    _check_types(what, edge, target=torch.int32, categories=torch.int32)
    for name in ("numbers", "categories"):
        _expect(what, f"{name} of shape", tuple(getattr(edge, name).shape), (rows, sizes[name]))
    _check_codes(what, edge_type.attributes, edge.categories)
    _check_values(what, edge.numbers)
    _expect(what, "target of shape", tuple(edge.target.shape), (rows,))
    if len(edge.weight):
        _expect(what, "weight of shape", tuple(edge.weight.shape), (rows,))
        good = all(bool((piece >= 0).all() and piece.isfinite().all()) for piece in edge.weight.split(_PIECE))
        _require(good, what, "weights that are finite and not negative")
    _check_range(what, "targets", edge.target, 0, targets)
    _check_rows(what, edge.offsets, edge.time, sources)


def _check_seeds(schema: GraphSchema, count: Mapping[str, int], seeds: Seeds) -> None:
    _check_types("seeds", seeds, cold=torch.bool, cold_member=torch.bool)
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
    if seeds.cold_member is not None:
        _require(bool((seeds.cold | ~seeds.cold_member).all()), "seeds", "cold_member in cold seeds alone")
    limits = {
        "member": (-1, count[schema.seeds.member]),
        "item": (-1, count[schema.seeds.item]),
        "surface": (0, len(schema.seeds.surfaces)),
        "window": (0, len(schema.seeds.windows)),
    }
    for name, (low, end) in limits.items():
        _check_range("seeds", name, getattr(seeds, name), low, end)
    _require(bool((seeds.time.diff() >= 0).all()), "seeds", "ascending times")
    _check_seed_values(schema, seeds)


def _check_seed_values(schema: GraphSchema, seeds: Seeds) -> None:
    """Labels, features and times of each seed; the error names the first invalid seed."""
    labels = seeds.labels
    _check_each("labels of 0 or 1, or NaN where undefined", (labels == 0) | (labels == 1) | labels.isnan(), labels)
    for name in ("numbers", "frozen_numbers"):
        _check_values(f"seeds, {name}", getattr(seeds, name))
    for name in ("categories", "frozen_categories"):
        _check_codes("seeds", schema.seeds.features, getattr(seeds, name), name)
    for name in ("time", "settled", "frozen_time"):
        _check_range("seeds", name, getattr(seeds, name), -LATEST + 1, LATEST)
    _check_each("settled not before time", seeds.settled >= seeds.time, seeds.settled)
    _check_each("frozen_time not after time", seeds.frozen_time <= seeds.time, seeds.frozen_time)
    starts = seeds.time.new_tensor([window.start for window in schema.seeds.windows])
    ends = seeds.time.new_tensor([window.end for window in schema.seeds.windows])
    inside = (seeds.time >= starts[seeds.window]) & (seeds.time < ends[seeds.window])
    _check_each("times within the seed's window", inside, seeds.time)


def _check_each(expected: str, good: Tensor, values: Tensor) -> None:
    """Raise GraphFormatError for the first seed that is not ``good``; both (seeds,) or (seeds, columns)."""
    if len(wrong := (~good).nonzero()):
        found = f"{values[tuple(wrong[0])].item()} at seed {int(wrong[0][0])} and {len(wrong) - 1} more"
        raise GraphFormatError(f"seeds: expected {expected}; found {found}")


def _check_rows(what: str, offsets: Tensor, time: Tensor, owners: int) -> None:
    """Offsets are valid, and times ascend within the rows of each owner."""
    _expect(what, "offsets of shape", tuple(offsets.shape), (owners + 1,))
    _expect(what, "the first and last offset", (int(offsets[0]), int(offsets[-1])), (0, len(time)))
    _require(bool((offsets.diff() >= 0).all()), what, "ascending offsets")
    _check_range(what, "times", time, -LATEST + 1, LATEST)
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


def _require(holds: bool, what: str, expected: str, found: object = "something else") -> None:
    if not holds:
        raise GraphFormatError(f"{what}: expected {expected}; found {found}")
