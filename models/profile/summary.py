"""Profile of one column as strict JSON: mergeable, and the same bytes for the same rows in any order."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from models.profile.bins import Bins, choose_bins, count_in_bins
from models.profile.column import ValueCounts, count_names, count_values

VALUES = 200
"""The number of most frequent values that a profile keeps."""
FEW = 20
"""Of a number with at most this many distinct values, all are kept."""
_RAREST = 0.001
"""Least share of a number's rows for its value to be kept."""
_NEW = 0.002
"""Least share of the rows for a value to be kept that is not in the profile compared with."""
_BINS = 10
"""Most coarse bins of a number."""
_HEAVY = 0.1
"""Numbers with at least this share of the rows are left out when the bounds of coarse bins are chosen."""
_SMALLEST_BIN, _FEWEST_IN_A_BIN = 0.05, 10
"""The least share of all rows and the least number of rows of a coarse bin."""
CHOSEN = ("least", "edges", "width", "deviation")
"""What the column that chose the bins has decided for all later ones."""


class ProfileError(ValueError):
    """Raised for profiles that cannot be merged or compared: their bins were chosen by different columns."""


def profile_of(
    column: pa.ChunkedArray | pa.Array, like: Mapping[str, Any] | None = None, kind: str | None = None
) -> dict[str, Any]:
    """The distribution of a column (rows,) as strict JSON; counts are of rows, whatever their order.

    ``like``: a profile whose values and bins are used, so that both can be compared or merged; None = chosen by this
    column. ``kind``: ``category`` counts numbers as names, too; None = by the column's type, and ``like``'s.

    For every column: ``kind`` (number, category), ``rows``, ``missing``, ``infinite`` ([minus, plus]), ``values`` (the
    200 most frequent as [value, rows], and all of ``like``), ``most`` (rows of the most frequent value not among them).
    For a category: ``unseen``, the expected number of rows with a value not in ``values`` in another sample of the
    same size. For a number: ``range`` (least, largest), ``whole`` (an integer type), ``fine`` (edges, counts, offsets,
    width, deviation: see ``models.profile.bins``), ``least`` and ``edges``, the upper bounds of coarse bins over all
    finite values, and ``bins``, their rows.
    """
    kind = kind or (like["kind"] if like is not None and pa.types.is_null(column.type) else None)
    found = count_names(column) if kind == "category" else count_values(column)
    if like is not None and like["kind"] != ("number" if found.is_number else "category"):
        like = None
    profile: dict[str, Any] = {"rows": found.rows, "missing": found.missing, "infinite": list(found.infinite)}
    return _category(found, like, profile) if found.numbers is None else _number(found, like, profile)


def merge_profiles(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The profile of the rows of two profiles with the same bins, one of them made ``like`` the other.

    All figures are exact but two: rows of a frequent value that one side did not keep are those of the other side, and
    ``most`` and ``unseen`` are upper bounds. Raises ProfileError for profiles with different bins.
    """
    if one["kind"] != other["kind"]:
        raise ProfileError(f"merge: expected two profiles of one kind; found {one['kind']} and {other['kind']}")
    counts = dict(one["values"])
    for value, count in other["values"]:
        counts[value] = counts.get(value, 0) + count
    merged = {
        "kind": one["kind"],
        "rows": one["rows"] + other["rows"],
        "missing": one["missing"] + other["missing"],
        "infinite": [a + b for a, b in zip(one["infinite"], other["infinite"], strict=True)],
        "values": _ranked(counts),
        "most": one["most"] + other["most"],
    }
    if one["kind"] == "category":
        return {**merged, "unseen": one["unseen"] + other["unseen"]}
    fine = one["fine"], other["fine"]
    if any(fine[0][key] != fine[1][key] for key in ("edges", "width", "deviation")) or one["edges"] != other["edges"]:
        raise ProfileError(
            "merge: expected two profiles with the same bins; found different ones. Make one `like` the other"
        )
    ends = [end for profile in (one, other) if profile["range"] for end in profile["range"]]
    added = {key: [a + b for a, b in zip(fine[0][key], fine[1][key], strict=True)] for key in ("counts", "offsets")}
    return {
        **merged,
        "range": [min(ends), max(ends)] if ends else [],
        "whole": one["whole"] and other["whole"],
        "fine": {**fine[0], **added},
        "least": one["least"],
        "edges": one["edges"],
        "bins": [a + b for a, b in zip(one["bins"], other["bins"], strict=True)],
    }


class StoredCounts:
    """Reads a profile made ``like`` another one as ``ValueCounts`` reads a column."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.rows, self.missing = int(profile["rows"]), int(profile["missing"])
        self.infinite = (int(profile["infinite"][0]), int(profile["infinite"][1]))
        self.is_number = profile["kind"] == "number"
        self.total = self.rows - self.missing - sum(self.infinite)
        self._values = dict(profile["values"])
        seen = sum(count > 0 for count in self._values.values())
        self.single = seen == 1 and sum(self._values.values()) == self.total
        if self.is_number:
            self.single = len(profile["range"]) == 2 and profile["range"][0] == profile["range"][1]
            self._ends = dict(
                zip(profile["fine"]["edges"], np.cumsum(profile["fine"]["counts"]).tolist(), strict=False)
            )
            self._first = profile["fine"]["edges"].index(profile["least"]) - 1 if profile["fine"]["edges"] else 0
            self._edges = profile["fine"]["edges"]

    def up_to(self, bound: float, below: bool = False) -> int:
        """Rows with a finite number of at most ``bound``, one of the profile's; ``below``: less than the least one."""
        return int(self._ends[self._edges[self._first] if below else bound])

    def values(self, least: float) -> dict[Any, int]:
        """Rows by value, of the kept values with at least ``least`` rows."""
        return {value: count for value, count in self._values.items() if count >= least}

    def count(self, value: float) -> int:
        """Rows with this value; 0 for one that is not kept."""
        return int(self._values.get(value, 0))


def _category(found: ValueCounts, like: Mapping[str, Any] | None, profile: dict[str, Any]) -> dict[str, Any]:
    order = np.argsort(-found.counts, kind="stable")  # values are sorted: of equal counts the smaller value comes first
    names = [found.names[place] for place in order[:VALUES]]
    if like is not None:
        known, fewest = dict(like["values"]), max(_NEW * found.rows, 1)
        top = {found.names[place] for place in order[:VALUES] if found.counts[place] >= fewest}
        names = list(known.keys() | top)
    counts = dict(zip(found.names, found.counts.tolist(), strict=True))
    values = {name: counts.pop(name, 0) for name in names}
    left = np.array(list(counts.values()), dtype=np.int64)
    most = int(left.max(initial=0))
    # Good-Turing: the rows of values seen k + 1 times estimate the future rows of values seen k times.
    unseen = int(found.counts[found.counts <= most + 1].sum())
    return {"kind": "category", **profile, "values": _ranked(values), "most": most, "unseen": unseen}


def _number(found: ValueCounts, like: Mapping[str, Any] | None, profile: dict[str, Any]) -> dict[str, Any]:
    assert found.numbers is not None
    few = len(found.numbers) <= FEW
    values = found.values(1 if few else max(_RAREST * found.total, 2))
    if like is None:
        values = dict(sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:VALUES])
        edges = coarse_edges(found)
        bins = choose_bins(found, edges)
        least = found.numbers[0].item() if len(found.numbers) else None
    else:
        values = {value: count for value, count in values.items() if few or count >= _NEW * found.rows}
        values |= {value: found.count(value) for value, _ in like["values"]}
        bins = Bins(like["fine"]["edges"], like["fine"]["width"], like["fine"]["deviation"])
        edges, least = like["edges"], like["least"]
    left = found.counts.copy() if values else found.counts
    left[found.places([value for value, count in sorted(values.items()) if count]) - 1] = 0
    below = 0 if least is None else found.up_to(least, below=True)
    return {
        "kind": "number",
        **profile,
        "values": _ranked(values),
        "most": int(left.max(initial=0)),
        "range": [found.numbers[0].item(), found.numbers[-1].item()] if len(found.numbers) else [],
        "whole": found.numbers.dtype.kind in "iu",
        "fine": {**bins._asdict(), **count_in_bins(found, bins)},
        "least": least,
        "edges": edges,
        "bins": np.diff([below, *(found.up_to(edge) for edge in edges)]).tolist(),
    }


def coarse_edges(found: ValueCounts) -> list[Any]:
    """Upper bounds of coarse bins: quantiles of the values below the share ``_HEAVY``, then the largest value."""
    assert found.numbers is not None
    if not len(found.numbers):
        return []
    values, counts, ends = found.numbers, found.counts, found.ends
    light = counts < _HEAVY * found.rows
    if not light.all():
        values, counts = values[light], counts[light]
        ends = np.cumsum(counts)
    rows = int(ends[-1]) if len(ends) else 0
    bins = min(_BINS, int(rows / max(_SMALLEST_BIN * found.rows, _FEWEST_IN_A_BIN)))
    places = [np.searchsorted(ends, -(-rows * part // bins)) for part in range(1, bins)]
    return sorted({values[place].item() for place in places} | {found.numbers[-1].item()})


def _ranked(values: Mapping[Any, int]) -> list[list[Any]]:
    return [[value, count] for value, count in sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))]
