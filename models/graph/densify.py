"""Densification for cold nodes (LiGNN, arXiv 2402.11139): low-degree nodes get edges to similar high-degree nodes.

No seed sees its future through these edges. Every choice depends on what was known before the start of the train
window, and no seed is earlier: degrees count edges before it, and both the percentiles and the high-degree nodes are
taken among nodes whose first vector is older. A low-degree node adds only its own first vector, and its edges begin
no earlier than that is known.

Why usearch: it is maintained and typed, threads are chosen per call, and it ships no second OpenMP runtime or BLAS next
to PyTorch's (faiss-cpu ships both; hnswlib has no wheel). HNSW built by one thread draws the same levels and inserts in
the same order, so every run on one kind of CPU gives the same edges.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.spec import Densification

_EXACT = 4096
"""Up to this many candidates are searched exhaustively: exact, and no slower than an index."""
_AT_ONCE = 8192
"""Low-degree nodes per search: bounds the memory."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one type that ever have a vector, ascending, as of the first version with one."""

    index: np.ndarray
    """(nodes,) int64."""
    since: np.ndarray
    """(nodes,) int64 microseconds: since when the vector is known."""
    vector: np.ndarray
    """(nodes, size) float32."""
    degree: np.ndarray
    """(nodes,) int64: number of edges before the start of the train window."""


@dataclass(frozen=True)
class ContentEdges:
    """Edges (rows,), sorted by (source, descending similarity, target)."""

    source: np.ndarray
    """int64: the low-degree node."""
    target: np.ndarray
    """int64: the high-degree node."""
    time: np.ndarray
    """int64 microseconds: since when both vectors are known."""
    weight: np.ndarray
    """float32: the cosine of the vectors, above 0."""


def densify(nodes: Nodes, before: int, dense: Densification) -> ContentEdges:
    """Connect every low-degree node with the ``dense.neighbours`` most similar high-degree nodes, or all if fewer.

    ``before``: the start of the train window, microseconds UTC. Low degree: at or below the low percentile (nearest
    rank) of the degrees of nodes whose vector is known before ``before``. High degree: one of those nodes at or above
    the high percentile, and above the low one. Zero vectors have no direction and get no edges.
    """
    known, length = nodes.since < before, np.linalg.norm(nodes.vector, axis=1)
    few = many = np.zeros(0, np.int64)
    if known.any():
        percentiles = [dense.low_percentile, dense.high_percentile]
        low, high = np.percentile(nodes.degree[known], percentiles, method="inverted_cdf")
        few = np.flatnonzero((nodes.degree <= low) & (length > 0))
        many = np.flatnonzero(known & (nodes.degree >= high) & (nodes.degree > low) & (length > 0))
    if not len(many):
        few = many
    unit = nodes.vector / np.where(length > 0, length, 1)[:, None]
    nearest = _search_among(unit[many], min(dense.neighbours, len(many)))
    parts = [(few[:0], few[:0], np.zeros(0, np.float32))]
    for start in range(0, len(few), _AT_ONCE):
        queries = few[start : start + _AT_ONCE]
        place = nearest(unit[queries])  # (queries, neighbors)
        near = many[place]
        # Recomputed, so that the weight does not depend on how the search rounds.
        cosine = np.where(place >= 0, np.einsum("ad,and->an", unit[queries], unit[near]), np.float32(0))
        order = np.lexsort((near, -cosine))  # within each query
        near, cosine = np.take_along_axis(near, order, 1), np.take_along_axis(cosine, order, 1)
        alike = cosine > 0
        parts.append((np.repeat(queries, alike.sum(1)), near[alike], cosine[alike]))
    source, target, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    time = np.maximum(nodes.since[source], nodes.since[target])
    return ContentEdges(nodes.index[source], nodes.index[target], time, weight)


def _search_among(candidates: np.ndarray, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from queries (queries, size) to the positions of their ``count`` closest candidates by cosine.

    ``candidates`` (n, size) and queries are float32 vectors of length 1. Positions are (queries, count) int64, -1 where
    the index finds fewer.
    """
    from usearch.index import BatchMatches, Index, MetricKind, search

    if len(candidates) <= _EXACT:

        def exhaustive(queries: np.ndarray) -> np.ndarray:
            keys = search(candidates, queries, count, MetricKind.Cos, exact=True).keys
            return np.asarray(keys, np.int64).reshape(len(queries), count)

        return exhaustive
    index = Index(
        ndim=candidates.shape[1],
        metric=MetricKind.Cos,
        dtype="f32",
        connectivity=32,
        expansion_add=200,
        expansion_search=max(200, 2 * count),
    )
    index.add(np.arange(len(candidates), dtype=np.uint64), candidates, threads=1)

    def approximate(queries: np.ndarray) -> np.ndarray:
        # Several threads may search: nothing is written. A single row would give a result of another type.
        found = index.search(np.concatenate([queries, queries[:1]]), count)
        assert isinstance(found, BatchMatches)
        keys = np.asarray(found.keys, np.int64)
        return np.where(np.arange(count) < found.counts[:, None], keys, -1)[:-1]

    return approximate
