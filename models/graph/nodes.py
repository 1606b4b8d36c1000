"""Writes a node type: its versions stream from the engine into a file, so memory stays bounded."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from models.features import behavior_features, node_features, semantic_codes
from models.graph.columns import describe, encode
from models.graph.csr import add_rows, offsets_of
from models.graph.errors import GraphInputError
from models.graph.hashing import hash_keys
from models.graph.relations import Relations
from models.graph.schema import NodeType
from models.graph.writer import Shape, TensorFile
from models.spec import Spec

_INT32 = 2**31 - 1


class WrittenNodes(NamedTuple):
    """A written node type."""

    node_type: NodeType
    versions: int
    dropped: dict[str, int]
    """Number of dropped version rows, by reason."""


def write_nodes(path: Path, spec: Spec, relations: Relations, name: str, keys: pa.Array) -> WrittenNodes:
    """Write the ``NodeTensors`` of a node type with ``keys`` (nodes,) to a safetensors file. Raises GraphInputError."""
    if len(keys) > _INT32:
        raise GraphInputError(f"node {name!r}: expected at most {_INT32} keys; found {len(keys)}. Split the type")
    rows, dropped = relations.select_versions(name)
    features = node_features(spec, name)
    values = {f.name: relations.feature_values(name, f.name) for f in features if f.kind == "category"}
    behavior = behavior_features(spec, name)
    described = tuple(replace(one, behavior=one.name in behavior) for one in describe(features, [values]))
    vectors = sum(column.size for column in described if column.kind == "vector")
    kinds = [column.kind for column in described]
    shapes = {
        "id_hash": Shape(torch.int64, (len(keys),)),
        "version_offsets": Shape(torch.int64, (len(keys) + 1,)),
        "version_time": Shape(torch.int64, (rows,)),
        "numbers": Shape(torch.float32, (rows, kinds.count("number"))),
        "categories": Shape(torch.int64, (rows, kinds.count("category"))),
        "vectors": Shape(torch.float32, (rows, vectors)),
    }
    counts = np.zeros(len(keys), np.int64)
    with TensorFile(path, shapes) as file:
        file.append("id_hash", hash_keys(keys))
        for batch in relations.version_rows(name):
            table = pa.Table.from_batches([batch])
            columns = {feature.name: table[f"feature_{feature.name}"] for feature in features}
            add_rows(counts, batch["node"].to_numpy())
            file.append("version_time", batch["time"].to_numpy())
            for kind, tensor in encode(features, described, columns, len(table))._asdict().items():
                file.append(kind, tensor.numpy())
        file.append("version_offsets", offsets_of(counts))
    semantic = semantic_codes(spec, name)
    return WrittenNodes(NodeType(name, len(keys), described, spec.nodes[name].id_buckets, semantic), rows, dropped)
