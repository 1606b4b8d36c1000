"""Whether numbers survive as float32, in which features, weights and attributes are stored, served and read.

float32 holds 24 bits: whole numbers up to 2^24 exactly, seconds since 1970 in steps of 128.
"""

from typing import NamedTuple

import numpy as np

_WHOLE = 2.0**53
"""Whole numbers above it are measurements: not even float64 tells neighbours apart."""
_NOISE = 2.0**-44
"""Values that differ by less than this share of themselves are one value, computed in two ways."""
_STEPS = 50
"""Values of one power of two that span fewer steps of float32 have lost more than 1 % of their spread."""
_MANY = 1024
"""Where so many different values of one power of two remain, the column still says what it said."""
_SOME, _SHARE = 2, 0.1
"""So many values of one size, and so much of all different values, say something: fewer are a rounding elsewhere."""
_EXACT = 2**24
"""Whole numbers up to it are float32's own."""
_SMALLEST = float(np.finfo(np.float32).smallest_normal)
_DIGITS = 24

ADVICE = (
    "Change it where it is made: subtract an offset, use a coarser unit (hours instead of seconds), a logarithm, or "
    "make it a category"
)


class Loss(NamedTuple):
    """What float32 would make of a column."""

    row: int
    """Where an example stands."""
    found: str
    """The example, and what would become of it."""


def loss(values: np.ndarray, rows: np.ndarray | None = None) -> Loss | None:
    """What float32 would lose of ``values`` (rows,), real numbers, NaN = missing; None where they survive.

    ``rows`` (rows,) integers: the numbers by which the answer names the rows; None = positions.

    Lost is: a number that becomes infinite; a whole number up to 2^53 that changes; numbers within one power of two of
    which at least half become equal to others, or that span fewer than 50 steps of float32, where they are a tenth of
    the column's different values; a column that is all so small that it becomes 0 or loses digits. Infinities are not
    judged.
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
    """Whether one number does. By itself a number too small for float32 is 0, as in a column that holds larger ones."""
    return -_EXACT <= value <= _EXACT or loss(np.array([value], np.float64)) is None


def _lost(values: np.ndarray, rows: np.ndarray, where: np.ndarray, becomes: str) -> Loss:
    place = int(np.flatnonzero(where)[0])
    return Loss(int(rows[place]), f"{values[place].item()!r} in row {rows[place]}, {becomes}")


def _joined(exact: np.ndarray, rows: np.ndarray) -> Loss | None:
    """Different values that become one, or nearly so, within a power of two: there all steps of float32 are equal."""
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
    """Numbers below the normal range of float32, in a column that holds none that would make them nothing."""
    tiny = changed & (np.abs(exact) < _SMALLEST)
    if tiny.any() and np.nanmax(np.abs(exact[np.isfinite(exact)])) < _SMALLEST * 2.0**_DIGITS:
        row = int(np.flatnonzero(tiny)[0])
        return _lost(exact, rows, tiny, f"which is {float(kept[row])!r} as float32 (below 1.2e-38 digits go)")
    return None
