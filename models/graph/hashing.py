"""Stable hashes of keys: equal in every graph, process and machine."""

from hashlib import blake2b

import numpy as np
import pyarrow as pa

_POSITIVE = np.uint64(2**63 - 1)


def hash_text(text: str) -> int:
    """63 bits of BLAKE2b of the text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") & (2**63 - 1)


def hash_integers(values: np.ndarray) -> np.ndarray:
    """63-bit hashes of integers, (n,) int64 -> (n,) int64: the finalizer of SplitMix64 (Steele, Lea, Flood 2014)."""
    mixed = values.astype(np.int64).view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed & _POSITIVE).view(np.int64)


def hash_keys(keys: pa.Array) -> np.ndarray:
    """63-bit hashes of ``keys`` (n,), integers or strings: (n,) int64."""
    if pa.types.is_integer(keys.type):
        return hash_integers(keys.to_numpy(zero_copy_only=False))
    return np.fromiter((hash_text(key) for key in keys.to_pylist()), dtype=np.int64, count=len(keys))
