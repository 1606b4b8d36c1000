"""Fine bins of a number: bounds chosen by one column, in which every later column is counted.

Each bin (lower, upper] has the number of its rows and the sum of their distances from its upper bound, in whole units.
Whole numbers add up to the same in any order, so that profiles are merged exactly. The sums make the Wasserstein
distance exact in every bin where one distribution function lies above the other.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from models.profile.column import ValueCounts

_EXACT = 300
"""A column with at most this many distinct numbers has a bound at each of them."""
_QUANTILES, _STEPS = 100, 200
"""Bins of equally many rows, and bins of equal width from the least to the largest number."""
_ATOM = 0.005
"""A number with this share of the rows has a bin of its own."""
_UNIT = 2**-16
"""Unit of a distance from a bin's upper bound, in widths of the bin."""
_FARTHEST = 2.0**40
"""Largest distance of one row beyond the outermost bounds, in units."""
_OUTSIDE = [*(step / 32 for step in range(1, 17)), *(2.0**power for power in range(21))]
"""Bounds even of the chosen range, in widths of the range."""
_SMALLEST_DEVIATION = 0.001
"""Floor of a standard deviation, as Evidently's: a constant column would make distances infinite."""


class Bins(NamedTuple):
    """Bounds of the bins of a number, ascending, and what belongs to them."""

    edges: list[Any]
    """Upper bounds; one more bin lies above the last. Empty: the column had no finite number."""
    width: float
    """The range of the numbers that chose the bounds: width of the two outermost bins."""
    deviation: float
    """Their standard deviation, at least 0.001: unit of the Wasserstein distance."""


def choose_bins(found: ValueCounts, coarse: Sequence[Any]) -> Bins:
    """Choose the bounds for a column of numbers; those of its coarse bins are among them."""
    assert found.numbers is not None
    numbers = found.numbers
    if not len(numbers):
        return Bins([], 1.0, _SMALLEST_DEVIATION)
    least, largest = numbers[0].item(), numbers[-1].item()
    width = float(largest) - float(least)
    width = width if 0 < width < math.inf else 1.0
    chosen = set(numbers.tolist()) if len(numbers) <= _EXACT else _spread(found)
    even = {bound for step in _OUTSIDE for bound in (least - step * width, largest + step * width)}
    even |= {least + width * step / _STEPS for step in range(_STEPS)}
    whole = numbers.dtype.kind in "iu"
    edges = {math.floor(bound) for bound in even} if whole else {bound for bound in even if math.isfinite(bound)}
    edges |= chosen | {*coarse, least - 1 if whole else np.nextafter(least, -math.inf).item()}
    return Bins(sorted(edge for edge in edges if math.isfinite(edge)), width, _deviation(found))


def count_in_bins(found: ValueCounts, bins: Bins) -> dict[str, list[int]]:
    """``counts`` (bins + 1,), rows of each bin, and ``offsets`` (bins + 1,), sums of distances from its upper bound.

    The last bin has no upper bound: distances are those from its lower one.
    """
    assert found.numbers is not None
    numbers = found.numbers
    if not bins.edges:
        return {"counts": [found.total], "offsets": [0]}
    places = [0, *found.places(bins.edges).tolist(), len(numbers)]
    bounds = [*map(float, bins.edges), float(bins.edges[-1])]
    units = [*(widths(bins) * _UNIT).tolist(), -bins.width * _UNIT]
    offsets = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start, end, bound, unit in zip(places, places[1:], bounds, units, strict=False):
            offsets.append(_far(numbers[start:end], found.counts[start:end], bound, unit) if end > start else 0)
    ends = np.append(0, found.ends)[places]
    return {"counts": np.diff(ends).tolist(), "offsets": offsets}


def _far(numbers: np.ndarray, counts: np.ndarray, bound: float, unit: float) -> int:
    """The sum of the rows' distances from a bound, in whole units each."""
    if len(numbers) == 1 and numbers[0] == bound:
        return 0
    far = (bound - numbers.astype(np.float64, copy=False)) / unit
    np.rint(far, out=far)
    if not far[0] < _FARTHEST or not far[-1] < _FARTHEST:  # ascending or descending: one of the ends is the farthest
        far = np.clip(np.nan_to_num(far, posinf=_FARTHEST, neginf=0.0), 0.0, _FARTHEST)
    return int(np.dot(far.astype(np.int64), counts))


def widths(bins: Bins) -> np.ndarray:
    """Widths of the bins with an upper bound: (bins,) float64. The first has no lower bound: it has the range's."""
    with np.errstate(over="ignore"):
        found = np.diff(np.asarray(bins.edges, dtype=np.float64), prepend=0.0)
    found[0] = bins.width
    return np.where((found > 0) & np.isfinite(found), found, 1.0)


def distances(bins: Bins, offsets: list[int]) -> np.ndarray:
    """The sums of distances in the column's own unit: (bins + 1,) float64."""
    return np.asarray(offsets, dtype=np.float64) * np.append(widths(bins), bins.width) * _UNIT


def _spread(found: ValueCounts) -> set[Any]:
    """Bounds of bins with equally many rows, and around every frequent number."""
    assert found.numbers is not None
    numbers = found.numbers
    total = found.total
    places = np.searchsorted(found.ends, total * np.arange(1, _QUANTILES + 1) / _QUANTILES)
    frequent = np.flatnonzero(found.counts >= _ATOM * total)
    places = np.concatenate([places, frequent, frequent[frequent > 0] - 1])
    return set(numbers[np.minimum(places, len(numbers) - 1)].tolist())


def _deviation(found: ValueCounts) -> float:
    """The standard deviation, rounded to 12 digits: processors add up in different orders."""
    assert found.numbers is not None
    numbers = found.numbers.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if len(numbers) == found.total:
            deviation = float(numbers.std())
        else:
            off = numbers - np.dot(numbers, found.counts) / found.total
            off *= off
            deviation = math.sqrt(np.dot(off, found.counts) / found.total)
    return max(float(f"{deviation:.12g}"), _SMALLEST_DEVIATION) if math.isfinite(deviation) else 1.0
