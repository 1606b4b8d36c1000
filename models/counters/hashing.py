"""Hashes of keys and categories as a counter's state holds them, equal in Python and in DuckDB."""

from functools import lru_cache
from hashlib import md5
from typing import Any

import numpy as np

UNKNOWN = -1
"""The hash of a missing value. Two missing values are not the same value."""
_POSITIVE = 2**63 - 1


def hash_of(value: Any) -> int:
    """63 bits of the MD5 of the value's text; ``UNKNOWN`` for None or NaN. MD5, since DuckDB computes it too."""
    return UNKNOWN if value is None or value != value else _hash_of_text(str(value))


def hashes_of(values: np.ndarray) -> np.ndarray:
    """``hash_of`` each value, integers or strings: (n,) -> (n,) int64."""
    return np.fromiter(map(hash_of, values.tolist()), np.int64, len(values))


def hash_sql(value: str) -> str:
    """The same in DuckDB, for an SQL expression of integers or strings."""
    return f"coalesce(CAST(md5_number_lower(CAST({value} AS VARCHAR)) & {_POSITIVE} AS BIGINT), {UNKNOWN})"


@lru_cache(maxsize=65_536)
def _hash_of_text(text: str) -> int:
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[8:], "little") & _POSITIVE
