"""Refuse numbers that float32 storage would change, before anything is written."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from feature_repo.sources.errors import Problems, SourceError
from models.features import edge_attributes
from models.filters import mask
from models.float32 import ADVICE, Loss, loss
from models.spec import Feature, Spec


def check_columns(name: str, frame: object) -> None:
    """Raise SourceError unless the table is a frame with unique string column names and no complex numbers."""
    if not isinstance(frame, pd.DataFrame):
        raise SourceError(f"table {name}: expected a pandas DataFrame; found {type(frame).__name__}. Fix the adapter")
    if repeated := list(dict.fromkeys(frame.columns[frame.columns.duplicated()])):
        raise SourceError(
            f"table {name}: expected each column once; found {repeated[0]!r} {list(frame.columns).count(repeated[0])} "
            "times. Drop or rename one in the adapter"
        )
    for column in frame.columns:
        if not isinstance(column, str):
            raise SourceError(f"table {name}: expected strings as column names; found {column!r}. Fix the adapter")
        if pd.api.types.is_complex_dtype(frame[column].dtype):
            raise SourceError(
                f"table {name}, column {column}: expected real numbers; found {frame[column].dtype} such as "
                f"{next(iter(frame[column]), 'no row')}. Write its parts as separate columns"
            )


def check_numbers(spec: Spec, name: str, frame: pd.DataFrame) -> None:
    """Raise SourceError unless features and attributes are finite and survive as float32, and weights are above 0.

    ``frame`` has passed its schema: numbers have a real dtype, vectors are flat and of one size.
    """
    problems, checked = Problems(keep=True), set[str]()
    for feature in _features(spec, name):
        if feature.name in checked:  # an attribute of several edges
            continue
        checked.add(feature.name)
        with problems.trying():
            if feature.kind == "vector":
                _check_vectors(name, feature, frame[feature.name])
            elif feature.kind == "number":
                _check_numbers(name, feature.name, frame[feature.name])
    for edge in spec.edges.values():
        if edge.table == name and edge.weight:
            with problems.trying():
                _check_weights(name, edge.weight, frame[edge.weight][mask(frame, edge.filter)])
    problems.raise_first()


def _features(spec: Spec, table: str) -> Iterator[Feature]:
    for node in spec.nodes.values():
        for view in node.views.values():
            if view.table == table:
                yield from view.typed
    if spec.impressions.table == table:
        yield from spec.impressions.typed_given
    for edge in spec.edges.values():
        if edge.table == table:
            yield from edge_attributes(edge)


def _check_numbers(table: str, column: str, values: pd.Series) -> None:
    present = np.flatnonzero(values.notna())
    numbers, rows = plain(values.iloc[present]), _rows(values)[present]
    if (infinite := np.flatnonzero(np.isinf(numbers))).size:
        row = int(infinite[0])
        raise SourceError(
            f"table {table}, column {column}: expected finite numbers or nulls; found {numbers[row]} in row "
            f"{rows[row]}. Leave the value out in the adapter"
        )
    _refuse(f"table {table}, column {column}", loss(numbers, rows))


def _refuse(what: str, lost: Loss | None) -> None:
    if lost is not None:
        raise SourceError(f"{what}: expected numbers that survive as float32; found {lost.found}. {ADVICE}")


def _check_weights(table: str, column: str, values: pd.Series) -> None:
    weights = plain(values[values.notna()]).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        kept = weights.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(kept) | ((weights > 0) & (kept == 0)))
    if wrong.size:
        raise SourceError(
            f"table {table}, column {column}: expected weights that are finite and above 0 as float32 (1.5e-45 to "
            f"3.4e38); found {wrong.size} others such as {weights[wrong[0]]}. Scale them in the adapter"
        )


def _check_vectors(table: str, feature: Feature, values: pd.Series) -> None:
    present = np.flatnonzero(values.notna())
    vectors = [np.asarray(value) for value in values.iloc[present]]
    for place in range(feature.size):
        numbers = np.array([vector[place].item() for vector in vectors])
        _refuse(f"table {table}, column {feature.name}, component {place}", loss(numbers, _rows(values)[present]))


def _rows(values: pd.Series) -> np.ndarray:
    """(rows,) row numbers for messages: the frame's index, or positions if the index holds no integers."""
    index = values.index.to_numpy()
    return index if index.dtype.kind == "i" else np.arange(len(index))


def plain(values: pd.Series) -> np.ndarray:
    """A numeric column without nulls as (rows,) int64, uint64 or float64, whatever its pandas type."""
    if pd.api.types.is_unsigned_integer_dtype(values.dtype):
        return values.to_numpy(dtype=np.uint64)
    if pd.api.types.is_integer_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.int64)
    return values.to_numpy(dtype=np.float64)
