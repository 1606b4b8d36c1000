"""Laying rows out by owner (CSR): where each owner's rows begin."""

import numpy as np
import torch
from torch import Tensor


def add_rows(counts: np.ndarray, owner: np.ndarray) -> None:
    """Add some rows, (rows,) ascending owners, to the number of rows of each owner, (owners,) int64, in place."""
    if len(owner):
        first, last = int(owner[0]), int(owner[-1])
        counts[first : last + 1] += np.bincount(owner - first, minlength=last + 1 - first)


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """(owners,) numbers of rows -> (owners + 1,) int64: where each owner's rows begin."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def csr_offsets(owner: np.ndarray, owners: int) -> Tensor:
    """(rows,) ascending owners -> (owners + 1,) int64: where each owner's rows begin."""
    counts = np.zeros(owners, np.int64)
    add_rows(counts, owner)
    return torch.from_numpy(offsets_of(counts))
