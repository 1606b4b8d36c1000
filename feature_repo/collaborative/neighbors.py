"""Neighbors of items: by the cosine of who saw them (Sarwar et al. 2001, Bell and Koren 2007) and by EASE.

Rows are made chunk by chunk and cut to the top k at once, so that memory does not grow with the square of the items.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from feature_repo.collaborative.errors import SnapshotError
from models.counters.ragged import Ragged

COMMON = 2
"""Members that two neighbors have in common, at least: an item of one member would tell the member's other items."""
_SHRUNK = 5.0
"""A cosine from n common members counts n / (n + this)."""
_RIDGE = 80.0
"""EASE's penalty."""
MOST_EASE_ITEMS = 10_000
"""EASE inverts a dense matrix of items with positive events by the same."""
_ENTRIES = 8_000_000
"""Entries of a chunk, at most, unless one item has more."""

Neighbors = tuple[Ragged, np.ndarray]
"""I rows of positions of other items, and the weights that belong to their values, float32."""


def cosine_neighbors(seen: Any, most: int) -> Neighbors:
    """The ``most`` items with the highest shrunk cosine to each item; ``seen``: CSR (M, I) of ones."""
    columns = seen.T.tocsr()
    degree = np.diff(columns.indptr).astype(np.float64)
    rows = []
    for first, last in _chunks(seen, columns):
        common = columns[first:last] @ seen
        for item in range(first, last):
            span = slice(common.indptr[item - first], common.indptr[item - first + 1])
            places, counts = common.indices[span], common.data[span].astype(np.float64)
            places, counts = places[counts >= COMMON], counts[counts >= COMMON]
            weights = counts / np.sqrt(degree[item] * degree[places]) * (counts / (counts + _SHRUNK))
            rows.append(_top(places, weights, item, most))
    return _joined(rows)


def ease_neighbors(name: str, positive: Any, most: int) -> Neighbors:
    """The ``most`` weights of each item with the largest size (Steck, "Embarrassingly Shallow Autoencoders", 2019).

    ``positive``: CSR (M, I) of ones. Items without any have no neighbors. Raises SnapshotError above 10,000 with some.
    """
    from scipy.linalg import cho_factor, cho_solve

    liked = np.flatnonzero(positive.getnnz(axis=0)).astype(np.int32)
    items = len(liked)
    check_ease_items(name, items)
    rows = [(np.zeros(0, np.int32), np.zeros(0, np.float32))] * positive.shape[1]
    if not items:
        return _joined(rows)
    positive = positive[:, liked]
    gram = (positive.T @ positive).toarray().astype(np.float64)
    few = gram < COMMON
    gram[np.diag_indices(items)] += _RIDGE
    inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.eye(items), overwrite_b=True)
    inverse /= -np.diag(inverse).copy()  # column j: the weights with which others predict item j
    inverse[few] = 0.0
    for place, item in enumerate(liked.tolist()):
        rows[item] = _top(liked, np.ascontiguousarray(inverse[:, place]), item, most)
    return _joined(rows)


def check_ease_items(name: str, items: int) -> None:
    """Raise SnapshotError for more items with positive events than ease can hold."""
    if items > MOST_EASE_ITEMS:
        raise SnapshotError(
            f"collaborative.{name}.kinds: expected at most {MOST_EASE_ITEMS:,} items with positive events for ease; "
            f"found {items:,}. Remove ease, or choose events with fewer items"
        )


def _chunks(seen: Any, columns: Any) -> Iterator[tuple[int, int]]:
    """Spans of items whose rows of common members fit into a chunk."""
    items = columns.shape[0]
    entries = np.minimum(columns @ np.diff(seen.indptr).astype(np.float64), items)
    total, first = np.cumsum(entries), 0
    while first < items:
        before = total[first - 1] if first else 0.0
        last = max(first + 1, int(np.searchsorted(total, before + _ENTRIES, side="right")))
        yield first, last
        first = last


def _top(places: np.ndarray, weights: np.ndarray, item: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest weights other than the item's own; of equal ones those of the first items."""
    size = np.abs(weights)
    size[places == item] = 0.0
    if len(size) > most:
        kept = size >= np.partition(size, len(size) - most)[len(size) - most]
        places, weights, size = places[kept], weights[kept], size[kept]
    order = np.lexsort((places, -size))[:most]
    order = order[size[order] > 0]
    return places[order].astype(np.int32), weights[order].astype(np.float32)


def _joined(rows: list[tuple[np.ndarray, np.ndarray]]) -> Neighbors:
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(places) for places, _ in rows], out=offsets[1:])
    places = np.concatenate([np.zeros(0, np.int32), *(one for one, _ in rows)])
    return Ragged(offsets, places), np.concatenate([np.zeros(0, np.float32), *(one for _, one in rows)])
