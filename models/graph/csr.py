"""CSR offsets: where the rows of each owner begin."""

import numpy as np
import torch
from torch import Tensor


def add_rows(counts: np.ndarray, owner: np.ndarray) -> None:
    """Add the rows of ``owner`` (rows,), ascending, to the rows per owner ``counts`` (owners,) int64, in place."""
    if len(owner):
        first, last = int(owner[0]), int(owner[-1])
        counts[first : last + 1] += np.bincount(owner - first, minlength=last + 1 - first)


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Where each owner's rows begin, (owners + 1,) int64, from the numbers of rows ``counts`` (owners,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def csr_offsets(owner: np.ndarray, owners: int) -> Tensor:
    """Where each owner's rows begin, (owners + 1,) int64, from the owners of rows ``owner`` (rows,), ascending."""
    counts = np.zeros(owners, np.int64)
    add_rows(counts, owner)
    return torch.from_numpy(offsets_of(counts))
