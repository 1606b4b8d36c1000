"""Compares a column with the profile of an earlier one: distance of the distributions, and shares that changed.

Rows are counted in cells on both sides. Missing values, both infinities, values below and above the earlier range, and
every frequent value are cells; the remaining numbers are binned. Whether a value is frequent depends on both sides: a
cell chosen by one side only would have fewer rows on the other by chance.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.profile.column import ValueCounts, count_values
from models.profile.summary import StoredCounts

FEWEST_ROWS = 50
"""Columns with fewer rows are not compared: their shares are mostly noise."""
PSI, VARIATION = "PSI", "total variation"
NO_VALUE, MINUS, PLUS = "no value", "minus infinity", "infinity"
Counts = ValueCounts | StoredCounts
UNUSABLE = (NO_VALUE, MINUS, PLUS)
RARE = "rare values of before"
"""The cell of earlier values without a cell of their own: a change of it is not reported."""
_CHANCE, _CHANCE_OF_A_CHANGE = 0.001, 0.002
"""Significance levels of the distance and of any changed share: most false alarms per unchanged column."""
_FEWEST_IN_A_CELL = 2.5
"""Least expected rows of a cell on the smaller side; smaller cells are merged."""
_OWN_SHARE = 0.01
"""Least mean share of both sides for a number to be a cell."""
_RAREST = 1e-4
"""Floor of a share in the PSI, as usual: an empty cell would make it infinite."""
_DIGITS = 9
"""Decimals of a distance, so that rounding errors do not lift it above a bound."""
_POINTS, _TIMES = 0.05, 2.0
"""A significant change of a share is reported from five percentage points, or twice or half the odds, on."""
_LEAST_OF_VALUES, _LEAST_OF_UNUSABLE = 0.005, 0.001
"""Least reported change of a share, of ordinary cells and of ``UNUSABLE`` ones."""


class Change(NamedTuple):
    """A share of the rows that has changed."""

    what: str
    before: float
    now: float

    def __str__(self) -> str:
        return f"{self.what}: {self.before:.2%} of the rows before, {self.now:.2%} now"


class Comparison(NamedTuple):
    """How a column differs from a profile."""

    measure: str
    """PSI for a number, total variation for a category."""
    distance: float
    """0 if it is not significant."""
    changes: list[Change]
    """The shares that changed, largest change first."""
    dying: bool
    """Whether more rows are missing or infinite than before, or ``one_left``."""
    one_left: bool
    """Whether a single value is left of several."""


class _Cells(NamedTuple):
    measure: str
    names: list[str]
    before: np.ndarray
    """(cells,) float64: rows of each cell in the profile, of ``rows_before``."""
    now: np.ndarray
    """(cells,) float64: rows of each cell in the column, of ``rows_now``."""
    clump: np.ndarray
    """(cells,): rows of a cell that appear or disappear together, as all rows of a new value do."""
    rows_before: int
    rows_now: int

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        return self.before / self.rows_before, self.now / self.rows_now

    def few(self) -> np.ndarray:
        """Cells with too few expected rows on the smaller side, (cells,) bool."""
        return _is_few(self.before + self.now, self.rows_before, self.rows_now)

    def merged(self) -> "_Cells":
        """The cells with all small ones merged into one, without empty ones."""
        few = self.few()
        before, now = (np.append(side[~few], side[few].sum()) for side in (self.before, self.now))
        full = (before + now) > 0
        names = np.array([*self.names, "few rows each"], dtype=object)[np.append(~few, True)][full].tolist()
        clump = np.append(self.clump[~few], 1.0)[full]
        return _Cells(self.measure, names, before[full], now[full], clump, self.rows_before, self.rows_now)


def distance(before: Mapping[str, Any], column: pa.ChunkedArray | pa.Array) -> float | None:
    """The distance of a column (rows,) from a profile (``profile_of``); 0 if it is not significant.

    Numbers: the population stability index, sum of (p - q) ln(p / q) over the cells, minus its mean under no change.
    Categories: the total variation of the shares, sum of |p - q| / 2. Missing values count as a value. None if a side
    has fewer than 50 rows, or the profile is not from this release.
    """
    cells = _cells(before, count_values(column))
    return None if cells is None else _distance(cells)


def compare(before: Mapping[str, Any], column: pa.ChunkedArray | pa.Array) -> Comparison | None:
    """The ``distance`` of a column (rows,) from a profile, and every share that changed; None as for ``distance``."""
    return compare_counts(before, count_values(column))


def compare_counts(before: Mapping[str, Any], found: Counts) -> Comparison | None:
    """``compare`` with counted rows, or with a profile made ``like`` the earlier one."""
    cells = _cells(before, found)
    if cells is None:
        return None
    value, changes = _distance(cells), _changes(cells)
    worse = any(change.what in UNUSABLE and change.now > change.before for change in changes)
    several = len(before["values"]) + bool(before["most"]) > 1 or before.get("edges", [])[-1:] > [before.get("least")]
    left = found.single and several and bool(changes or value)
    return Comparison(cells.measure, value, changes, worse or left, left)


def _cells(before: Mapping[str, Any], found: Counts) -> _Cells | None:
    try:
        if min(int(before["rows"]), found.rows) < FEWEST_ROWS:
            return None
        return _number_cells(before, found) if before["kind"] == "number" else _category_cells(before, found)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # a profile of another release
        return None


def _distance(cells: _Cells) -> float:
    if _chance(cells) >= _CHANCE:
        return 0.0
    merged = cells.merged()
    if cells.measure == PSI:
        return round(_stability(merged), _DIGITS)
    return round(float(np.abs(np.subtract(*merged.shares())).sum() / 2), _DIGITS)


def _number_cells(before: Mapping[str, Any], found: Counts) -> _Cells:
    """Cells of a number: unusable values, frequent values, and bins of the others."""
    rows, size = int(before["rows"]), found.rows
    names, old, new = _unusable(before, found)
    if not found.is_number:
        bins = list(before["bins"])
        names += ["the numbers of before", "values of another type"]
        return _made(PSI, names, [*old, sum(bins), 0], [*new, 0, found.total], (rows, size))
    edges, stored = before["edges"], dict(before["values"])
    least = before["least"]
    ends = [found.up_to(least, below=True) if edges else 0, *(found.up_to(edge) for edge in edges)]
    total = found.total
    parts = [f"less than {least}", *(f"up to {edge}" for edge in edges), f"more than {edges[-1] if edges else least}"]
    left = [0, *map(int, before["bins"]), 0]
    here = np.diff([0, *ends, total]).tolist()
    frequent = found.values(_OWN_SHARE * size)
    for value in sorted({*stored, *frequent}):
        count = found.count(value)
        place = len(edges) + 1 if not edges or value > edges[-1] else 0 if value < least else _bin(edges, value)
        known = min(stored.get(value, before["most"]), left[place])
        if _is_few(known + count, rows, size) or known / rows + count / size < 2 * _OWN_SHARE:
            continue
        names, old, new = [*names, f"{value}"], [*old, known], [*new, count]
        left[place], here[place] = left[place] - known, here[place] - count
    return _made(PSI, [*names, *parts], [*old, *left], [*new, *here], (rows, size))


def _category_cells(before: Mapping[str, Any], found: Counts) -> _Cells:
    """Cells of a category: unusable values, frequent names, rare names as one cell, and names not in the profile."""
    rows, size = int(before["rows"]), found.rows
    names, old, new = _unusable(before, found)
    stored = {name: int(count) for name, count in before["values"]}
    counts = {} if found.is_number else found.values(0)
    here = {name: counts.pop(name, 0) for name in stored}
    unseen = found.total - sum(here.values())
    lowest = rows - before["missing"] - sum(stored.values())
    for name in sorted(name for name, count in counts.items() if count >= _OWN_SHARE * size):
        known = min(before["most"], lowest)
        if not _is_few(known + counts[name], rows, size):
            names, old, new = [*names, name], [*old, known], [*new, counts[name]]
            lowest, unseen = lowest - known, unseen - counts[name]
    # Between the observed rows and those expected in another sample of the same values.
    other = min(max(unseen * rows / size, lowest), max(lowest, before["unseen"]))
    rare = rows - sum(old) - other
    rare_here = 0
    for name, count in stored.items():
        if _is_few(count + here[name], rows, size):
            rare_here += here[name]
            continue
        names, old, new = [*names, name], [*old, count], [*new, here[name]]
        rare -= count
    names += [RARE, "values that were not seen before"]
    return _made(
        VARIATION, names, [*old, max(rare, 0), other], [*new, rare_here, unseen], (rows, size), 1.0 + before["most"]
    )


def _unusable(before: Mapping[str, Any], found: Counts) -> tuple[list[str], list[float], list[float]]:
    return list(UNUSABLE), [before["missing"], *before["infinite"]], [found.missing, *found.infinite]


def _made(
    measure: str, names: list[str], before: list[float], now: list[float], sizes: tuple[int, int], clump: float = 1.0
) -> _Cells:
    """Cells of which only the last is clumped; ``sizes``: rows before and now."""
    clumps = np.append(np.ones(len(names) - 1), clump)
    return _Cells(measure, names, np.array(before, dtype=np.float64), np.array(now, dtype=np.float64), clumps, *sizes)


def _bin(edges: list[float], value: float) -> int:
    """Position of the bin of a value; bin 1 has the upper bound ``edges[0]``."""
    return 1 + sum(edge < value for edge in edges)


def _is_few(rows: Any, before: int, now: int) -> Any:
    """Whether a cell with ``rows`` rows of both sides has too few expected rows on the smaller side."""
    return rows * min(before, now) < _FEWEST_IN_A_CELL * (before + now)


def _chance(cells: _Cells) -> float:
    """The p-value of no change: a chi-square test of homogeneity, and an exact binomial test of each small cell."""
    from scipy.special import bdtr, bdtrc, chdtrc

    few = cells.few()
    before, now = cells.before[~few], cells.now[~few]
    ratio = np.sqrt(cells.rows_now / cells.rows_before)
    squares = (before * ratio - now / ratio) ** 2 / (before + now) / cells.clump[~few]
    large = float(chdtrc(max(len(squares) - 1, 1), squares.sum())) if len(squares) else 1.0
    total, here = np.rint((cells.before + cells.now)[few]).astype(np.int64), np.rint(cells.now[few])
    total, here = total[total > 0], here[total > 0]
    share = cells.rows_now / (cells.rows_before + cells.rows_now)
    either = 2 * np.minimum(bdtr(here, total, share), bdtrc(here - 1, total, share))
    small = float(either.min(initial=1.0)) * max(len(either), 1)
    return min(1.0, 2 * min(large, small))


def _stability(cells: _Cells) -> float:
    """The PSI minus its mean under no change, (cells - 1) (1/n + 1/m)."""
    before, now = (np.maximum(side, _RAREST) for side in cells.shares())
    found = float(np.sum((now - before) * np.log(now / before)))
    return max(0.0, found - (len(before) - 1) * (1 / cells.rows_before + 1 / cells.rows_now))


def _changes(cells: _Cells) -> list[Change]:
    """The cells whose share changed, by an exact test of each cell with Bonferroni correction."""
    tests = max(int((cells.before + cells.now > 0).sum()) - 1, 1)
    before, now = cells.shares()
    least = [_LEAST_OF_UNUSABLE if name in UNUSABLE else _LEAST_OF_VALUES for name in cells.names]
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.abs(np.log(now * (1 - before)) - np.log(before * (1 - now)))
    large = (np.abs(now - before) >= _POINTS) | (odds >= np.log(_TIMES))
    known = np.array([name != RARE for name in cells.names])
    places = np.flatnonzero(large & (np.abs(now - before) >= least) & known)
    if not len(places):
        return []
    from scipy.stats import hypergeom

    here, total = (np.rint(side[places] / cells.clump[places]) for side in (cells.now, cells.before + cells.now))
    drawn = hypergeom(cells.rows_before + cells.rows_now, total, cells.rows_now)
    half = drawn.pmf(here) / 2
    either = 2 * np.minimum(drawn.cdf(here) - half, drawn.sf(here) + half)
    found = [Change(cells.names[place], float(before[place]), float(now[place])) for place in places]
    kept = [change for change, chance in zip(found, either, strict=True) if chance < _CHANCE_OF_A_CHANGE / tests]
    return sorted(kept, key=lambda change: (-abs(change.now - change.before), change.what))
