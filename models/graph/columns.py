"""Encodes table columns as tensors: numbers, category codes and vectors, each kind in schema order."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import torch
from torch import Tensor

from models.graph.errors import GraphInputError
from models.graph.schema import FeatureColumn
from models.graph.text import TEXT_SIZE, bag_of_words
from models.spec import Feature


class Encoded(NamedTuple):
    """The features of a number of rows."""

    numbers: Tensor
    """(rows, numbers) float32; NaN where missing."""
    categories: Tensor
    """(rows, categories) int64; 0 where missing."""
    vectors: Tensor
    """(rows, sum of sizes) float32; zeros where missing."""


def describe(features: Sequence[Feature], columns: Iterable[dict[str, pa.ChunkedArray]]) -> tuple[FeatureColumn, ...]:
    """The schema of ``features``. Vocabularies hold the sorted distinct values in ``columns`` (one dict per table)."""
    tables = list(columns)
    described = []
    for feature in features:
        if feature.kind == "category":
            values = {value for table in tables for value in compute.unique(_text(table[feature.name])).to_pylist()}
            described.append(FeatureColumn(feature.name, "category", vocabulary=tuple(sorted(values - {None}))))
        elif feature.kind == "text":
            described.append(FeatureColumn(feature.name, "vector", size=TEXT_SIZE))
        else:
            assert feature.kind != "time", f"{feature.name}: the model reads ages, not times"
            described.append(FeatureColumn(feature.name, feature.kind, size=feature.size))
    return tuple(described)


def encode(
    features: Sequence[Feature], described: Sequence[FeatureColumn], columns: dict[str, pa.ChunkedArray], rows: int
) -> Encoded:
    """Encode ``columns`` (one per feature, by name) of ``rows`` rows as tensors.

    ``described``: the schema of the features, from ``describe``. Raises GraphInputError for values of another type.
    """
    parts: dict[str, list[np.ndarray]] = {"number": [], "category": [], "vector": []}
    for feature, column in zip(features, described, strict=True):
        values = columns[feature.name]
        if feature.kind == "number":
            parts["number"].append(_numbers(feature.name, values)[:, None])
        elif feature.kind == "category":
            codes = compute.index_in(_text(values), value_set=pa.array(column.vocabulary, pa.string())).fill_null(-1)
            parts["category"].append(codes.to_numpy().astype(np.int64)[:, None] + 1)
        elif feature.kind == "text":
            parts["vector"].append(bag_of_words(_text(values)))
        else:
            parts["vector"].append(_vectors(feature, values))
    types = {"number": np.float32, "category": np.int64, "vector": np.float32}
    tensors = {
        kind: torch.from_numpy(np.concatenate([np.zeros((rows, 0), types[kind]), *found], axis=1, dtype=types[kind]))
        for kind, found in parts.items()
    }
    return Encoded(tensors["number"], tensors["category"], tensors["vector"])


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.string())


def _numbers(name: str, values: pa.ChunkedArray) -> np.ndarray:
    """(rows,) float32; NaN where null or not finite."""
    try:
        numbers = values.cast(pa.float32(), safe=False).to_numpy()
    except pa.ArrowException as error:
        raise GraphInputError(
            f"feature {name!r}: expected numbers; found {values.type} ({error}). Fix the spec"
        ) from None
    return np.where(np.isfinite(numbers), numbers, np.float32("nan"))


def _vectors(feature: Feature, values: pa.ChunkedArray) -> np.ndarray:
    """(rows, size) float32; zeros where null."""
    if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        raise GraphInputError(f"feature {feature.name!r}: expected lists of float32; found {values.type}. Fix the spec")
    lists = values.combine_chunks()
    given = compute.is_valid(lists).to_numpy(zero_copy_only=False)
    lengths = set(compute.unique(compute.list_value_length(lists.filter(pa.array(given)))).to_pylist())
    if lengths - {feature.size}:
        raise GraphInputError(
            f"feature {feature.name!r}: expected vectors of {feature.size}, as the spec says; found lengths "
            f"{sorted(lengths)}. Fix the spec or the adapter"
        )
    vectors = np.zeros((len(lists), feature.size), np.float32)
    flat = compute.list_flatten(lists).to_numpy(zero_copy_only=False)
    vectors[given] = np.nan_to_num(flat.reshape(-1, feature.size), nan=0.0, posinf=0.0, neginf=0.0)
    return vectors
