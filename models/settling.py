"""How long outcomes take to settle. numpy only: a GPU image reads it too."""

import numpy as np


def settling_delay(delays: np.ndarray) -> int:
    """The time within which nearly all outcomes settle, of (rows,) int64 microseconds: the 99 % quantile; 0 of none."""
    return int(np.quantile(delays, 0.99, method="higher")) if len(delays) else 0
