"""Vectors and texts as numbers that a profile can hold: a length, and how close each is to what was usual."""

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column: TypeAlias = pa.ChunkedArray | pa.Array


def matrix(column: Column, size: int) -> np.ndarray:
    """Vectors of ``size`` numbers as (rows, size) float64; NaN in the rows of null ones and of other lengths."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    found = np.full((len(lists), size), np.nan)
    given = pc.fill_null(pc.equal(pc.list_value_length(lists), size), False)
    flat = pc.list_flatten(lists.filter(given)).to_numpy(zero_copy_only=False)
    found[given.to_numpy(zero_copy_only=False)] = flat.reshape(-1, size)
    return found


def norms(vectors: np.ndarray) -> np.ndarray:
    """(rows,) lengths of vectors; NaN for a missing one."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(np.square(vectors).sum(axis=1))


def direction(vectors: np.ndarray) -> np.ndarray:
    """(size,) the mean of the vectors, each of length 1; missing ones and those of length 0 do not count."""
    units = _units(vectors)
    known = units[np.isfinite(units).all(axis=1)]
    return known.mean(axis=0) if len(known) else np.zeros(vectors.shape[1])


def cosines(vectors: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(rows,) cosine of each vector and the direction ``usual`` (size,); NaN for a missing one and one of length 0."""
    length = float(np.linalg.norm(usual))
    return _units(vectors) @ (usual / length if length else usual)


def lengths(texts: Column) -> pa.Array:
    """(rows,) int64 characters of each text; null for a missing one, 0 for an empty one."""
    found = pc.utf8_length(texts.cast(pa.string())).cast(pa.int64())
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def size_of(kind: str, column: Column) -> Column:
    """The one number of a vector (its length in space) or a text (its characters); other kinds as they are."""
    if kind == "text":
        return lengths(column)
    if kind != "vector":
        return column
    size = pc.max(pc.list_value_length(column)).as_py()
    return pa.array(norms(matrix(column, size)), from_pandas=True) if size else pa.nulls(len(column), pa.float64())


def _units(vectors: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        found = vectors / norms(vectors)[:, None]
    return np.where(np.isfinite(found), found, np.nan)
