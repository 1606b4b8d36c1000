"""Embedding: the tokens of every member and every item as of a moment, as the online store holds them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import torch
from torch import Tensor

from models.files import replaced_folder, sha256_of_file
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.nn.encoded import EncodedGraph, encode_graph
from models.training.artifact import Model
from models.training.batches import last_activities
from models.training.files import write_json

_BATCH = 2048


@torch.inference_mode()
def embed(model: Model, graph: TemporalGraph, as_of: int, folder: Path) -> dict[str, Any]:
    """Write the vectors folder (docs/architecture.md): state strictly before ``as_of``, microseconds UTC.

    ``member.parquet``: key, member_tokens (H * width), activity_tokens (N * width), activity_times (N; oldest first, 0
    = no activity), as_of; empty lists where the ranker reads no activities. ``item.parquet``: key, item_tokens (H *
    width), as_of. Answer: the manifest written beside.
    """
    graph = graph.to(model.device)
    encoded = encode_graph(model.encoding, model.schema, graph)
    table = model.ranker.input_table(encoded)
    seeds = model.schema.seeds
    members = _members(model, encoded, as_of, table)
    items = {"item_tokens": _items(model, encoded, as_of, table)}
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


def _members(model: Model, encoded: EncodedGraph, as_of: int, table: Tensor) -> dict[str, np.ndarray]:
    sampler, node = Sampler(encoded.graph, model.ranker.hops, model.limit), model.schema.seeds.member
    tokens, contents, times = [], [], []
    for index, time in _batches(encoded, node, as_of):
        activities = last_activities(sampler, index, time, model.ranker.sequence_length)
        tokens.append(model.ranker.member_tokens(encoded, sampler.tree(node, index, time), table))
        contents.append(model.ranker.activity_tokens(encoded, activities, time, table))
        times.append(activities.time * activities.mask)
    return {"member_tokens": _flat(tokens), "activity_tokens": _flat(contents), "activity_times": _flat(times)}


def _items(model: Model, encoded: EncodedGraph, as_of: int, table: Tensor) -> np.ndarray:
    sampler, node = Sampler(encoded.graph, model.ranker.hops, model.limit), model.schema.seeds.item
    return _flat(
        [
            model.ranker.item_tokens(encoded, sampler.tree(node, index, time), table)
            for index, time in _batches(encoded, node, as_of)
        ]
    )


def _batches(encoded: EncodedGraph, node: str, as_of: int) -> list[tuple[Tensor, Tensor]]:
    index = torch.arange(encoded.graph.schema.node(node).count, device=encoded.graph.device)
    return [(part, torch.full_like(part, as_of)) for part in index.split(_BATCH)]


def _flat(parts: list[Tensor]) -> np.ndarray:
    """(nodes, everything else flattened)."""
    return torch.cat(parts).flatten(1).cpu().numpy()


def _table(keys: pa.Array, columns: dict[str, np.ndarray], as_of: int) -> pa.Table:
    arrays: dict[str, pa.Array] = {"key": keys}
    for name, values in columns.items():
        offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        arrays[name] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=as_of)
    arrays["as_of"] = pa.array([moment] * len(keys), type=pa.timestamp("us", tz="UTC"))
    return pa.table(arrays)
