"""How far two distributions are apart, by Evidently's definitions: PSI, Jensen-Shannon and Wasserstein distance.

Computed from two profiles with the same bins instead of all rows. Only finite numbers and names count.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.profile.bins import Bins, distances, widths
from models.profile.summary import FEW

_EMPTY = 1e-4
"""The share that an empty cell gets in the PSI, unless the smallest cell is smaller."""


def stability(before: np.ndarray, now: np.ndarray) -> float:
    """The population stability index of two rows of shares (cells,): the sum of (p - q) ln(p / q)."""
    before, now = _filled(before), _filled(now)
    return float(np.sum((before - now) * np.log(before / now)))


def jensen_shannon(before: np.ndarray, now: np.ndarray) -> float:
    """The Jensen-Shannon distance of two rows of shares (cells,): a root, natural logarithms; 0 to 0.833."""
    middle = (before + now) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(side > 0, side * np.log(side / middle), 0.0).sum() for side in (before, now)]
    return math.sqrt(max(float(sum(parts)) / 2, 0.0))


def wasserstein(before: Mapping[str, Any], now: Mapping[str, Any]) -> float:
    """The Wasserstein distance of two numbers' profiles in standard deviations of the earlier one.

    It is the area between the two distribution functions. Within a bin it is exact, unless they cross there.
    """
    bins = bins_of(before)
    if not bins.edges:
        return 0.0
    width = widths(bins)
    with np.errstate(over="ignore", invalid="ignore"):
        ends, tails, areas = [], [], []
        for profile in (before, now):
            fine = profile["fine"]
            total = sum(fine["counts"])
            far = distances(bins, fine["offsets"]) / total
            share = np.cumsum(fine["counts"]) / total
            # Area under the distribution function of a bin: that of its start, and of the rows in it up to its end.
            areas.append(np.append(0.0, share[:-2]) * np.append(0.0, width[1:]) + far[:-1])
            ends.append(np.append(0.0, share[:-1]))
            tails.append(far[-1])
        gap, area = ends[1] - ends[0], areas[1] - areas[0]
        left, right = gap[:-1], gap[1:]
        crossed = left * right < 0
        crossing = np.divide(
            left**2 + right**2, 2 * (np.abs(left) + np.abs(right)), where=crossed, out=np.zeros_like(left)
        )
        inside = np.where(crossed, np.maximum(crossing * width, np.abs(area)), np.abs(area))
        found = (inside.sum() + abs(tails[1] - tails[0])) / bins.deviation
    return float(np.nan_to_num(found))


def number_shares(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of two numbers' profiles in the cells that Evidently chooses, each (cells,).

    A cell for each value if the earlier column has at most 20, else Sturges' bins from the least to the largest number
    of both.
    """
    counted = dict(before["values"])
    if len(counted) <= FEW and sum(counted.values()) == _total(before):
        return value_shares(before, now)
    least, largest = (pick(before["range"][side], now["range"][side]) for side, pick in ((0, min), (1, max)))
    sizes = _total(before) + _total(now)
    width = (float(largest) - float(least)) / (math.log2(sizes) + 1)
    if not math.isfinite(width):
        return value_shares(before, now)
    if before["whole"] and now["whole"]:
        width = max(width, 1.0)
    bounds = np.linspace(float(least), float(largest), math.ceil((float(largest) - float(least)) / width) + 1)
    found = []
    for profile in (before, now):
        below = _below(profile, bounds[1:-1])
        found.append(np.diff(np.concatenate([[0.0], below, [_total(profile)]])) / _total(profile))
    return found[0], found[1]


def value_shares(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of every value that a profile kept, and of all others as one cell: each (cells,)."""
    sides = dict(before["values"]), dict(now["values"])
    values = sorted(value for value in sides[0].keys() | sides[1].keys() if any(side.get(value) for side in sides))
    found = []
    for side, profile in zip(sides, (before, now), strict=True):
        counts = [side.get(value, 0) for value in values]
        found.append(np.array([*counts, _total(profile) - sum(counts)], dtype=np.float64) / _total(profile))
    used = (found[0] + found[1]) > 0
    return found[0][used], found[1][used]


def bins_of(profile: Mapping[str, Any]) -> Bins:
    """The bins of a number's profile."""
    return Bins(profile["fine"]["edges"], profile["fine"]["width"], profile["fine"]["deviation"])


def _total(profile: Mapping[str, Any]) -> int:
    return int(profile["rows"] - profile["missing"] - sum(profile["infinite"]))


def _below(profile: Mapping[str, Any], bounds: np.ndarray) -> np.ndarray:
    """Rows with a number less than each of the ascending bounds: (bounds,) float64, whole.

    A bin's rows count as evenly spread around their mean, up to the nearer end of the bin; a single row, and those of a
    frequent number, which are all at the bin's upper bound, are at their mean.
    """
    bins = bins_of(profile)
    edges = np.asarray(bins.edges, dtype=np.float64)
    counts = np.asarray(profile["fine"]["counts"], dtype=np.float64)
    place = np.searchsorted(edges, bounds, "left")
    lower = np.append(float(profile["range"][0]), edges)[place]
    upper = np.append(edges, float(profile["range"][1]))[place]
    with np.errstate(all="ignore"):
        far = (distances(bins, profile["fine"]["offsets"]) / np.maximum(counts, 1.0))[place]
        mean = np.where(place == len(edges), lower + far, upper - far)
        spread = np.where(counts[place] == 1, 0.0, np.maximum(np.minimum(mean - lower, upper - mean), 0.0))
        part = np.where(spread > 0, np.clip((bounds - mean + spread) / (2 * spread), 0.0, 1.0), bounds > mean)
    return np.rint(np.append(0.0, np.cumsum(counts))[place] + counts[place] * np.nan_to_num(part))


def _filled(shares: np.ndarray) -> np.ndarray:
    """Empty cells get a small share, as Evidently does it."""
    least = shares[shares > 0].min(initial=1.0)
    return np.where(shares > 0, shares, least / 1e6 if least <= _EMPTY else _EMPTY)
