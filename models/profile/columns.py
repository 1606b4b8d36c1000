"""Profiles of the columns of a table, and how far the columns of another table are from them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from models.cpus import usable_cpus
from models.profile.compare import Change, compare_counts
from models.profile.shift import bins_of, jensen_shannon, number_shares, stability, value_shares, wasserstein
from models.profile.summary import ProfileError, StoredCounts, merge_profiles, profile_of
from models.spec.nodes import Feature

_NAMED = 5
"""Most new values that a shift names."""


@dataclass(frozen=True)
class ColumnProfiles:
    """The profile (``profile_of``) of each column of a table: strict JSON, the same for the same rows in any order."""

    columns: Mapping[str, Mapping[str, Any]]

    def merge(self, other: "ColumnProfiles") -> "ColumnProfiles":
        """The profiles of the rows of both tables, of which one was made ``like`` the other, or both like a third.

        Raises ProfileError for other bins or other columns.
        """
        if self.columns.keys() != other.columns.keys():
            differing = ", ".join(sorted(self.columns.keys() ^ other.columns.keys()))
            raise ProfileError(f"merge: expected the same columns on both sides; found a difference in {differing}")
        return ColumnProfiles({name: merge_profiles(self.columns[name], other.columns[name]) for name in self.columns})


@dataclass(frozen=True)
class ColumnShift:
    """How far a column is from its profile. Shares are of all rows, distances of the finite numbers or the names."""

    rows: int
    """Rows of the current side."""
    psi: float
    """Population stability index, in Evidently's cells; 0 where a side has no value."""
    js: float
    """Jensen-Shannon distance in the same cells."""
    wasserstein: float
    """In standard deviations of the reference; 0 for a category."""
    null_before: float
    null_now: float
    infinite_before: float
    infinite_now: float
    constant: bool
    """Whether a single value is left of several."""
    new_share: float
    """Share of rows with a value that the reference has not: an unknown name, a number outside of its range, or any
    other number where it has few. Where a profile keeps not all names, what chance makes of it is subtracted."""
    new_values: tuple[str, ...]
    """At most 5 of them, most frequent first, of those with at least 0.2 % of the rows."""
    distance: float | None
    """``models.profile.distance``: 0 if it is not significant, None under 50 rows."""
    dying: bool
    """Whether significantly more rows are null or infinite, or ``constant``."""
    changes: tuple[Change, ...]
    """The shares that changed significantly, largest change first."""

    def to_json(self) -> dict[str, Any]:
        """Convert to strict JSON."""
        changes = [change._asdict() for change in self.changes]
        return {**asdict(self), "new_values": list(self.new_values), "changes": changes}


def profile_rows(table: pa.Table, features: Sequence[Feature], like: ColumnProfiles | None = None) -> ColumnProfiles:
    """Profile the numbers and categories among ``features`` on all rows of a table; other kinds are left out.

    ``like``: use its bins and values, so that both can be compared and merged; None = chosen by these rows, and for
    columns that it does not have. Raises ProfileError for a missing column.
    """
    wanted = [feature for feature in features if feature.kind in ("number", "category")]
    absent = [feature.name for feature in wanted if feature.name not in table.column_names]
    if absent:
        raise ProfileError(f"profile: expected the column {absent[0]!r}; found {', '.join(table.column_names)}")

    def one(feature: Feature) -> dict[str, Any]:
        known = None if like is None else like.columns.get(feature.name)
        return profile_of(table[feature.name], known, feature.kind if feature.kind == "category" else None)

    # Sorting and hashing run outside of Python's lock.
    with ThreadPoolExecutor(min(usable_cpus(), 8)) as pool:
        return ColumnProfiles(dict(zip((feature.name for feature in wanted), pool.map(one, wanted), strict=True)))


def compare_columns(reference: ColumnProfiles, current: ColumnProfiles) -> dict[str, ColumnShift]:
    """How far each column of ``current``, made ``like`` the reference, is from it; by name, of columns in both.

    Raises ProfileError for a profile with other bins.
    """
    names = [name for name in reference.columns if name in current.columns]
    return {name: _shift(name, reference.columns[name], current.columns[name]) for name in names}


def _shift(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> ColumnShift:
    same = before["kind"] == now["kind"]
    if same and before["kind"] == "number" and bins_of(before) != bins_of(now):
        raise ProfileError(
            f"compare, column {name!r}: expected the reference's bins; found others. Profile the rows with `like`"
        )
    found = StoredCounts(now)
    seen = compare_counts(before, found)
    psi = js = far = 0.0
    known = StoredCounts(before)
    if same and known.total and found.total:
        shares = number_shares(before, now) if known.is_number else value_shares(before, now)
        psi, js = stability(*shares), jensen_shannon(*shares)
        far = wasserstein(before, now) if known.is_number else 0.0
    share, names = _new(before, known, now, found) if same else (found.total / max(found.rows, 1), ())
    return ColumnShift(
        rows=found.rows,
        psi=psi,
        js=js,
        wasserstein=far,
        null_before=known.missing / max(known.rows, 1),
        null_now=found.missing / max(found.rows, 1),
        infinite_before=sum(known.infinite) / max(known.rows, 1),
        infinite_now=sum(found.infinite) / max(found.rows, 1),
        constant=seen is not None and seen.one_left,
        new_share=share,
        new_values=names,
        distance=None if seen is None else seen.distance,
        dying=seen is not None and seen.dying,
        changes=() if seen is None else tuple(seen.changes),
    )


def _new(
    before: Mapping[str, Any], known: StoredCounts, now: Mapping[str, Any], found: StoredCounts
) -> tuple[float, tuple[str, ...]]:
    """The share of rows with a value that the earlier column has not, and the names of the frequent ones."""
    values = {value for value, count in before["values"] if count}
    complete = sum(count for _, count in before["values"]) == known.total
    fresh = [str(value) for value, count in now["values"] if count and value not in values]
    rows = max(found.rows, 1)
    if known.is_number and not complete:
        inside = found.up_to(before["edges"][-1]) - found.up_to(before["least"], below=True) if known.total else 0
        return (found.total - inside) / rows, ()
    share = (found.total - sum(count for value, count in now["values"] if value in values)) / rows
    if not complete:
        share = max(0.0, share - before["unseen"] / max(known.rows, 1))
    return share, tuple(fresh[:_NAMED]) if complete else ()
