"""Laying rows out by owner (CSR): where each owner's rows begin."""

import numpy as np
import torch
from torch import Tensor


def csr_offsets(owner: np.ndarray, owners: int) -> Tensor:
    """(rows,) ascending owners -> (owners + 1,) int64: where each owner's rows begin."""
    return torch.from_numpy(np.searchsorted(owner, np.arange(owners + 1)).astype(np.int64))
