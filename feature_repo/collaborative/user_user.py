"""User-user by factors: what members who saw the same items did with an item, without a matrix of members by members.

The residuals of all members at an item, weighted by the cosine of what each and this member saw, are linear in what
this member saw: the sum over its items j of M[j, i] / sqrt(its number of items), where M is the product of exposures
(each divided by the root of its member's number) and residuals. Of M its truncated SVD is kept, by the range finder of
``low_rank``: memory does not grow with the square of the items or of the members.
"""

from typing import Any

import numpy as np

from feature_repo.collaborative.low_rank import range_of
from feature_repo.collaborative.neighbors import COMMON


def exposure_factors(seen: Any, residuals: Any, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of an item as one that was seen and as one to be shown: (I, rank) float32 each.

    ``seen``: CSR (M, I) of ones, ``residuals`` CSR (M, I), float32. An item that fewer than two members saw has zeros:
    its factors would be that member's.
    """
    count = seen.shape[1]
    left, right = np.zeros((count, rank), np.float32), np.zeros((count, rank), np.float32)
    kept = np.flatnonzero(seen.getnnz(axis=0) >= COMMON)
    if not len(kept):
        return left, right
    scaled, residuals = _scaled(seen)[:, kept], residuals[:, kept]
    transposed, back = scaled.T.tocsr(), residuals.T.tocsr()
    space = range_of(lambda some: back @ (scaled @ (transposed @ (residuals @ some))), len(kept), rank)
    image = (transposed @ (residuals @ space)).astype(np.float64)
    squares, rotation = np.linalg.eigh(image.T @ image)
    width = min(rank, space.shape[1])
    values = np.sqrt(np.maximum(squares[::-1][:width], 0.0))
    root = np.sqrt(np.where(values > values[0] * 1e-6, values, 0.0))
    rotation = rotation[:, ::-1][:, :width]
    inverse = np.divide(1.0, root, out=np.zeros(width), where=root > 0)
    left[kept, :width] = image @ rotation * inverse
    right[kept, :width] = space.astype(np.float64) @ rotation * root
    return left, right


def member_exposures(seen: Any, left: np.ndarray) -> np.ndarray:
    """Factors of members, (M, rank) float32, from what they saw and the items' factors ``left``."""
    return np.asarray(_scaled(seen) @ left, np.float32)


def _scaled(seen: Any) -> Any:
    """The rows divided by the root of their number of items."""
    from scipy.sparse import csr_matrix

    number = np.diff(seen.indptr)
    values = np.repeat(1 / np.sqrt(np.maximum(number, 1)), number).astype(np.float32)
    return csr_matrix((values, seen.indices, seen.indptr), shape=seen.shape)
