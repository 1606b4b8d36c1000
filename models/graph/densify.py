"""Densification for the cold (LiGNN, arXiv 2402.11139): nodes of few edges get edges to the closest in content of many.

Why no seed sees its future through these edges. Every choice rests on what was known before the start of the train
window, and no seed is earlier: degrees count edges before it, and both the percentiles and the nodes of many edges are
taken among nodes whose first vector is older. To that a node of few edges adds its own first vector alone, and its
edges begin no earlier than that is known.

Why usearch: alive, typed, the call chooses its threads, and it brings no second OpenMP runtime or BLAS in beside
PyTorch's (faiss-cpu brings both; hnswlib offers no wheel). HNSW built by one thread draws the same levels and adds in
the same order, so the same edges come out in every run on one kind of CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.spec import Densification

_EXACT = 4096
"""Up to as many candidates are compared one by one: no slower than an index, and exact."""
_AT_ONCE = 8192
"""Nodes of few edges that are asked for at once: bounds the memory."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one type that ever have a vector, in ascending order, as of the first version with one."""

    index: np.ndarray
    """(nodes,) int64."""
    since: np.ndarray
    """(nodes,) int64 microseconds: from when on the vector is known."""
    vector: np.ndarray
    """(nodes, size) float32."""
    degree: np.ndarray
    """(nodes,) int64: edges before the start of the train window."""


@dataclass(frozen=True)
class ContentEdges:
    """Edges (rows,), in order of (source, similarity falling, target)."""

    source: np.ndarray
    """int64: the node of few edges."""
    target: np.ndarray
    """int64: the node of many."""
    time: np.ndarray
    """int64 microseconds: from when on both vectors are known."""
    weight: np.ndarray
    """float32: their cosine, above 0."""


def densify(nodes: Nodes, before: int, dense: Densification) -> ContentEdges:
    """Join every node of few edges to the ``dense.neighbours`` closest nodes of many, or to all where there are fewer.

    Few: a degree at or below the low percentile (nearest rank) of the nodes whose vector is known before ``before``,
    the start of the train window. Many: one of these at or above the high percentile, and not few. A vector of zeros
    has no direction and no such edges.
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
    nearest = _searched(unit[many], min(dense.neighbours, len(many)))
    parts = [(few[:0], few[:0], np.zeros(0, np.float32))]
    for start in range(0, len(few), _AT_ONCE):
        asked = few[start : start + _AT_ONCE]
        place = nearest(unit[asked])  # (asked, neighbours)
        near = many[place]
        # Computed here and not taken from the search, so that it does not depend on how that rounds.
        cosine = np.where(place >= 0, np.einsum("ad,and->an", unit[asked], unit[near]), np.float32(0))
        order = np.lexsort((near, -cosine))  # along the neighbours
        near, cosine = np.take_along_axis(near, order, 1), np.take_along_axis(cosine, order, 1)
        alike = cosine > 0
        parts.append((np.repeat(asked, alike.sum(1)), near[alike], cosine[alike]))
    source, target, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    time = np.maximum(nodes.since[source], nodes.since[target])
    return ContentEdges(nodes.index[source], nodes.index[target], time, weight)


def _searched(candidates: np.ndarray, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """A search among candidates (n, size): (asked, size) -> (asked, count) int64 places of the closest by cosine.

    Vectors are float32 of length 1; -1 where the index finds fewer than ``count``.
    """
    from usearch.index import BatchMatches, Index, MetricKind, search

    if len(candidates) <= _EXACT:

        def compared(asked: np.ndarray) -> np.ndarray:
            keys = search(candidates, asked, count, MetricKind.Cos, exact=True).keys
            return np.asarray(keys, np.int64).reshape(len(asked), count)

        return compared
    index = Index(
        ndim=candidates.shape[1],
        metric=MetricKind.Cos,
        dtype="f32",
        connectivity=32,
        expansion_add=200,
        expansion_search=max(200, 2 * count),
    )
    index.add(np.arange(len(candidates), dtype=np.uint64), candidates, threads=1)

    def looked_up(asked: np.ndarray) -> np.ndarray:
        # Any number of threads may ask: nothing is written. Of a single row the answer would have another shape.
        found = index.search(np.concatenate([asked, asked[:1]]), count)
        assert isinstance(found, BatchMatches)
        keys = np.asarray(found.keys, np.int64)
        return np.where(np.arange(count) < found.counts[:, None], keys, -1)[:-1]

    return looked_up
