"""Low rank: the truncated SVD of the residuals by a randomized range finder (Halko, Martinsson, Tropp 2011, 4.4).

Its random numbers have a fixed seed, so that the same residuals give the same bits on the same machine. Another
machine's linear algebra may differ in the last bits; a snapshot is built once, and read everywhere.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

_SEED = 20191
_OVERSAMPLED = 8
_ITERATIONS = 4


def item_factors(residuals: Any, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the items, (I, rank) float32, and the singular values, (rank,) float32; 0 beyond the matrix's rank.

    ``residuals``: CSR (M, I) float32. The factors are the right singular vectors times the root of the singular values.
    """
    items = residuals.shape[1]
    factors, values = np.zeros((items, rank), np.float32), np.zeros(rank, np.float32)
    if not items or not residuals.nnz:
        return factors, values
    transposed = residuals.T.tocsr()
    space = range_of(lambda some: transposed @ (residuals @ some), items, rank)
    image = (residuals @ space).astype(np.float64)
    squares, rotation = np.linalg.eigh(image.T @ image)
    kept = min(rank, space.shape[1])
    found = np.sqrt(np.maximum(squares[::-1][:kept], 0.0))
    values[:kept] = np.where(found > found[0] * 1e-6, found, 0.0)
    right = space.astype(np.float64) @ rotation[:, ::-1][:, :kept]
    factors[:, :kept] = right * np.sqrt(values[:kept].astype(np.float64))
    return factors, values


def range_of(squared: Callable[[np.ndarray], np.ndarray], items: int, rank: int) -> np.ndarray:
    """An orthonormal basis, (items, width) float32, of the strongest directions of a matrix with that many columns.

    ``squared`` multiplies (items, width) by the matrix and by its transpose.
    """
    width = min(items, rank + _OVERSAMPLED)
    space = np.random.default_rng(_SEED).standard_normal((items, width)).astype(np.float32)
    for _ in range(_ITERATIONS):
        space, _ = np.linalg.qr(squared(space))
    return space


def member_factors(residuals: Any, factors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Factors of members, (M, rank) float32, from their residuals and the items': left vectors times the same root."""
    inverse = np.divide(1.0, values, out=np.zeros(len(values)), where=values > 0)
    product = residuals @ (factors * inverse).astype(np.float32)
    return np.asarray(product, np.float32)
