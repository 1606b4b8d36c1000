"""How long outcomes take to settle. Imports only numpy: GPU images use it too."""

import numpy as np


def settling_delay(delays: np.ndarray) -> int:
    """The 99 % quantile of ``delays`` (rows,) int64 microseconds, in microseconds; 0 for no rows."""
    return int(np.quantile(delays, 0.99, method="higher")) if len(delays) else 0
