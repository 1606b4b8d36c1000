"""Whether numbers survive as float32, the type of stored, served and trained features, weights and attributes.

float32 has 24 bits of mantissa: whole numbers are exact up to 2^24, seconds since 1970 come in steps of 128.
"""

from typing import NamedTuple

import numpy as np

_WHOLE = 2.0**53
"""Larger whole numbers count as measurements: not even float64 distinguishes neighbors."""
_NOISE = 2.0**-44
"""Values with a smaller relative difference count as one value that was computed in two ways."""
_STEPS = 50
"""Values within one power of two that span fewer steps of float32 have lost more than 1 % of their spread."""
_MANY = 1024
"""If this many distinct values remain within one power of two, the column is still informative."""
_SOME, _SHARE = 2, 0.1
"""A group matters from this many values within one power of two, and this share of all distinct values, on."""
_EXACT = 2**24
"""float32 represents whole numbers exactly up to this."""
_SMALLEST = float(np.finfo(np.float32).smallest_normal)
_DIGITS = 24

ADVICE = (
    "Change it at its source: subtract an offset, use a coarser unit (hours instead of seconds), a logarithm, or "
    "make it a category"
)


class Loss(NamedTuple):
    """What a column would lose as float32."""

    row: int
    """The row of an example."""
    found: str
    """The example and its value as float32, in words."""


def loss(values: np.ndarray, rows: np.ndarray | None = None) -> Loss | None:
    """What ``values`` (rows,), real numbers with NaN = missing, would lose as float32; None if they survive.

    ``rows`` (rows,) integers: row numbers for the message; None = positions.

    A loss is: a number that becomes infinite; a whole number up to 2^53 that changes; numbers within one power of two
    of which at least half become equal to others, or that span fewer than 50 steps of float32, if they make up a tenth
    of the column's distinct values; a column so small that it becomes 0 or loses digits. Infinities are ignored.
    """
    if values.dtype.kind == "b" or values.dtype in (np.float32, np.float16):
        return None
    whole = values.dtype.kind in "iu"
    exact = values if whole else values.astype(np.float64)
    rows = np.arange(len(values)) if rows is None else rows
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        kept = exact.astype(np.float32)
        changed = kept.astype(np.longdouble) != exact.astype(np.longdouble)  # 64 bits of mantissa: exact for int64
        if not whole:
            changed &= np.isfinite(exact)
        if not changed.any():
            return None
        infinite = changed & ~np.isfinite(kept)
        if infinite.any():
            return _lost(exact, rows, infinite, "which is infinite as float32 (at most 3.4e38)")
        rounded = changed if whole else changed & (exact == np.floor(exact)) & (np.abs(exact) <= _WHOLE)
        if rounded.any():
            becomes = f"{float(kept[np.flatnonzero(rounded)[0]]):.0f}"
            limit = "whole numbers are exact up to 2^24 = 16777216"
            return _lost(exact, rows, rounded, f"which float32 rounds to {becomes} ({limit})")
        return _joined(exact, rows) or _vanishing(exact, rows, kept, changed)


def survives(value: float) -> bool:
    """Whether one number survives. A number too small for float32 counts as 0 and survives."""
    return -_EXACT <= value <= _EXACT or loss(np.array([value], np.float64)) is None


def _lost(values: np.ndarray, rows: np.ndarray, where: np.ndarray, becomes: str) -> Loss:
    place = int(np.flatnonzero(where)[0])
    return Loss(int(rows[place]), f"{values[place].item()!r} in row {rows[place]}, {becomes}")


def _joined(exact: np.ndarray, rows: np.ndarray) -> Loss | None:
    """Distinct values that become equal, or nearly so, within a power of two, where float32 has equal steps."""
    values = np.unique(exact[np.isfinite(exact) & (np.abs(exact) >= _SMALLEST)])
    values = values[np.diff(values, prepend=-np.inf) > np.abs(values) * _NOISE]
    if not len(values):
        return None
    kept, power = values.astype(np.float32), np.frexp(values)[1]
    begin = np.flatnonzero(np.diff(2 * power + (values < 0), prepend=2 * power[0] - 2))
    end = np.append(begin[1:], len(values))
    different = end - begin
    new = np.diff(kept, prepend=np.float32(np.nan)) != 0
    new[begin] = True
    left = np.add.reduceat(new, begin, dtype=np.int64)
    changed = np.logical_or.reduceat(np.abs(values - kept) > np.abs(values) * _NOISE, begin)
    step = np.ldexp(1.0, power[begin] - _DIGITS)
    narrow = (values[end - 1] - values[begin]) < _STEPS * step
    joined = (2 * (different - left) >= different) & (left < _MANY)
    weighty = (different > _SOME) & (different >= _SHARE * len(values)) | (2 * different > len(values))
    lost = np.flatnonzero((different > 1) & changed & (narrow | joined) & weighty)
    if not len(lost):
        return None
    group = lost[0]
    place = begin[group] + int(np.argmin(np.diff(values[begin[group] : end[group]])))
    one, other = (int(rows[np.flatnonzero(exact == values[each])[0]]) for each in (place, place + 1))
    return Loss(
        one,
        f"{float(values[place])!r} and {float(values[place + 1])!r} in rows {one} and {other}: of {different[group]} "
        f"different numbers of that size float32, in steps of {step[group]:g}, leaves {left[group]}",
    )


def _vanishing(exact: np.ndarray, rows: np.ndarray, kept: np.ndarray, changed: np.ndarray) -> Loss | None:
    """Numbers below the normal range of float32, in a column without much larger ones."""
    tiny = changed & (np.abs(exact) < _SMALLEST)
    if tiny.any() and np.nanmax(np.abs(exact[np.isfinite(exact)])) < _SMALLEST * 2.0**_DIGITS:
        row = int(np.flatnonzero(tiny)[0])
        return _lost(exact, rows, tiny, f"which is {float(kept[row])!r} as float32 (below 1.2e-38 digits go)")
    return None
