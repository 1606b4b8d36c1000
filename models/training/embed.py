"""Embedding: the tokens of every member and item as of a time, in the form of the online store."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from torch import Tensor

from models.files import replaced_folder, sha256_of_file
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.time_units import moment
from models.training.artifact import Model
from models.training.batches import last_activities
from models.training.files import write_json
from models.training.names import activity_names, lists_of, newest_neighbours, place_names

_BATCH = 2048


@torch.inference_mode()
def embed(model: Model, graph: TemporalGraph, as_of: int, folder: Path, creation: str | None = None) -> dict[str, Any]:
    """Write the vectors folder (docs/architecture.md): everything strictly before ``as_of``, microseconds UTC.

    ``member.parquet``: key, member_tokens (H * width), activity_tokens (N * width), activity_times (N; oldest first, 0
    = no activity), activity_edges and activity_keys (N; "" = no activity), as_of; empty lists where the ranker reads no
    activities. ``item.parquet``: key, item_tokens (H * width), item_creator (its last neighbor along the edge type
    ``creation``), item_neighbours (JSON: the keys at the places of its overlap), as_of. Returns the manifest, which is
    written beside them.
    """
    graph = graph.to(model.device)
    encoded = encode_graph(model.encoding, model.schema, graph)
    table = model.ranker.input_table(encoded)
    seeds = model.schema.seeds
    members = _members(model, encoded, as_of, table)
    items = _items(model, encoded, as_of, table)
    items["item_creator"] = newest_neighbours(graph, seeds.item, creation, as_of)
    manifest = {
        "as_of": as_of,
        "tokens": dict(zip(("member", "item"), model.ranker.rows, strict=True)),
        "activities": model.ranker.sequence_length,
        "width": model.ranker.config.width,
        "rows": {"member": graph.schema.node(seeds.member).count, "item": graph.schema.node(seeds.item).count},
    }
    with replaced_folder(folder) as new:
        parquet.write_table(_table(graph.keys(seeds.member), members, as_of), new / "member.parquet")
        parquet.write_table(_table(graph.keys(seeds.item), items, as_of), new / "item.parquet")
        files = {name: sha256_of_file(new / name) for name in ("member.parquet", "item.parquet")}
        write_json(new / "manifest.json", {**manifest, "files": files})
    return {**manifest, "files": files}


def _members(model: Model, encoded: EncodedGraph, as_of: int, table: Tensor) -> dict[str, pa.Array]:
    sampler, node = Sampler(encoded.graph, model.ranker.hops, model.largest_fan_out), model.schema.seeds.member
    source, kinds = model.ranker.activity_source(encoded.graph), model.ranker.activity_kinds(encoded.graph.schema)
    columns: dict[str, list[pa.Array]] = {}
    for index, time in _batches(encoded, node, as_of):
        activities = last_activities(source, index, time, model.ranker.sequence_length)
        tokens = model.ranker.member_tokens(encoded, sampler.tree(node, index, time), table)
        contents = model.ranker.activity_tokens(encoded, activities, time, table)
        edges, keys = activity_names(encoded.graph, activities, kinds)
        _gather(
            columns,
            member_tokens=_lists(tokens),
            activity_tokens=_lists(contents),
            activity_times=_lists(activities.time * activities.mask),
            activity_edges=edges,
            activity_keys=keys,
        )
    return {name: pa.concat_arrays(parts) for name, parts in columns.items()}


def _items(model: Model, encoded: EncodedGraph, as_of: int, table: Tensor) -> dict[str, pa.Array]:
    sampler, node = Sampler(encoded.graph, model.ranker.hops, model.largest_fan_out), model.schema.seeds.item
    overlap = model.ranker.overlap
    columns: dict[str, list[pa.Array]] = {}
    for index, time in _batches(encoded, node, as_of):
        tree = sampler.tree(node, index, time)
        paths = overlap.item if overlap else []
        nodes = overlap.nodes(tree, paths) if overlap else index.new_zeros(len(index), 0)
        _gather(
            columns,
            item_tokens=_lists(model.ranker.item_tokens(encoded, tree, table)),
            item_neighbours=place_names(encoded.graph, paths, nodes),
        )
    return {name: pa.concat_arrays(parts) for name, parts in columns.items()}


def _batches(encoded: EncodedGraph, node: str, as_of: int) -> list[tuple[Tensor, Tensor]]:
    index = torch.arange(encoded.graph.schema.node(node).count, device=encoded.graph.device)
    return [(part, torch.full_like(part, as_of)) for part in index.split(_BATCH)]


def _gather(columns: dict[str, list[pa.Array]], **parts: pa.Array) -> None:
    for name, part in parts.items():
        columns.setdefault(name, []).append(part)


def _lists(values: Tensor) -> pa.ListArray:
    """(nodes, ...) as one flat list per node."""
    flat = values.flatten(1).cpu().numpy()
    return lists_of(pa.array(flat.ravel()), *flat.shape)


def _table(keys: pa.Array, columns: dict[str, pa.Array], as_of: int) -> pa.Table:
    moments = pa.array([moment(as_of)] * len(keys), type=pa.timestamp("us", tz="UTC"))
    return pa.table({"key": keys, **columns, "as_of": moments})
