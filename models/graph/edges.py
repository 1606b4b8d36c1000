"""Writes one direction of an edge type: rows stream from the engine into a file, so memory stays bounded."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tqdm import tqdm

from models.graph.columns import describe, encode
from models.graph.csr import add_rows, offsets_of
from models.graph.relations import EdgeCount, Relations, attribute_column
from models.graph.schema import FeatureColumn
from models.graph.writer import Shape, TensorFile
from models.spec import Feature


def describe_attributes(relations: Relations, name: str, features: Sequence[Feature]) -> tuple[FeatureColumn, ...]:
    """The schema of an edge type's attributes; vocabularies hold all values in its relation."""
    values = {f.name: relations.attribute_values(name, f.name) for f in features if f.kind == "category"}
    return describe(features, [values])


def write_edges(
    path: Path,
    relations: Relations,
    name: str,
    reverse: bool,
    size: EdgeCount,
    features: Sequence[Feature],
    attributes: Sequence[FeatureColumn],
    sources: int,
) -> None:
    """Write the ``EdgeTensors`` of one direction of relation ``edge_<name>`` to a safetensors file.

    ``features``: the attributes in the spec, ``attributes``: their schema (``describe_attributes``); ``sources``: the
    number of nodes of the direction's source type. Raises GraphInputError.
    """
    kinds = [column.kind for column in attributes]
    shapes = {
        "offsets": Shape(torch.int64, (sources + 1,)),
        "target": Shape(torch.int32, (size.rows,)),
        "time": Shape(torch.int64, (size.rows,)),
        "weight": Shape(torch.float32, (size.rows if size.weighted else 0,)),
        "numbers": Shape(torch.float32, (size.rows, kinds.count("number"))),
        "categories": Shape(torch.int32, (size.rows, kinds.count("category"))),
    }
    others = [*(["weight"] if size.weighted else []), *(attribute_column(feature.name) for feature in features)]
    counts = np.zeros(sources, np.int64)
    with TensorFile(path, shapes) as file, tqdm(total=size.rows, desc=path.stem, unit="row", disable=None) as progress:
        for batch in relations.edge_rows(name, reverse, others):
            add_rows(counts, batch["owner"].to_numpy())
            file.append("target", batch["neighbour"].to_numpy())
            file.append("time", batch["time"].to_numpy())
            if size.weighted:
                file.append("weight", batch["weight"].to_numpy())
            columns = {f.name: pa.chunked_array([batch[attribute_column(f.name)]]) for f in features}
            encoded = encode(features, attributes, columns, batch.num_rows)
            file.append("numbers", encoded.numbers.numpy())
            file.append("categories", encoded.categories.int().numpy())
            progress.update(batch.num_rows)
        file.append("offsets", offsets_of(counts))
