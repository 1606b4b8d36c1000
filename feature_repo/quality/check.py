"""Check the rows of a view against the spec's expectations, before they are written."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.quality.profile import Profile, compare, kinds_of, missing, size_of, values_of
from feature_repo.views.times import column_microseconds
from models.spec.expectations import CheckedView, Expectation
from models.time_units import duration, iso


class QualityError(RuntimeError):
    """Raised when a view breaks the spec's expectations and has no earlier good values: it stays empty online."""


class Finding(NamedTuple):
    """One broken expectation; ``feature`` is None if it concerns the view as a whole."""

    view: str
    feature: str | None
    expected: str
    found: str
    advice: str

    def __str__(self) -> str:
        what = f"view {self.view}" if self.feature is None else f"view {self.view}, {self.feature}"
        return f"{what}: expected {self.expected}; found {self.found}. {self.advice}"


def check(
    view: str, expected: CheckedView, table: pa.Table, time: str, previous: Profile | None, until: int
) -> list[Finding]:
    """Return the expectations that ``table`` breaks: the newest row of every key strictly before ``until``.

    ``until`` is in microseconds UTC; ``time`` names the time column; ``previous`` is the profile of the last good run.
    Drift is not checked without one, with one of another release, or on fewer than 50 rows, and a distance within
    sampling noise passes. Slow drift passes too, since every good run becomes the reference of the next.
    """
    findings, kinds = [], kinds_of(expected)
    for name, expectation in expected.expectations.items():
        before = previous.get(name) if isinstance(previous, dict) else None
        for part, wanted, found in _broken(expectation, table[name], kinds.get(name, ""), before):
            advice = f"Fix the table, or change `{part}` of the feature in the view's `expectations`"
            findings.append(Finding(view, name, wanted, found, advice))
    if expected.fresh_within_days is not None:
        findings += _stale(view, expected.fresh_within_days, table[time], until)
    return findings


def _broken(
    expectation: Expectation, column: pa.ChunkedArray, kind: str, before: dict[str, Any] | None
) -> Iterator[tuple[str, str, str]]:
    """(key of the expectation, expected, found) of each broken one."""
    rows = len(column)
    if not rows:
        return
    if expectation.nulls is not None and missing(column) / rows > expectation.nulls:
        share = f"{missing(column) / rows:.4g} ({missing(column):,} of {rows:,} keys)"
        yield "nulls", f"no value for at most {expectation.nulls:g} of the keys", share
    if expectation.min is not None or expectation.max is not None:
        # numpy compares in the column's own type, so 0.1 as float32 is not above a bound of 0.1.
        values = values_of(column)
        if expectation.min is not None and (values < expectation.min).any():
            yield "min", f"values of at least {expectation.min:g}", f"{values.min():g}"
        if expectation.max is not None and (values > expectation.max).any():
            yield "max", f"values of at most {expectation.max:g}", f"{values.max():g}"
    if expectation.drift is not None and before is not None:
        found = compare(before, size_of(kind, column))
        if found is not None and found.distance > expectation.drift:
            what = {"vector": " of the norms", "text": " of the numbers of characters"}.get(kind, "")
            wanted = f"a {found.measure}{what} of at most {expectation.drift:g} from the last good values"
            yield "drift", wanted, f"{found.distance:.4g}"
        elif found is not None and found.one_left:  # even if the other values were rare
            yield "drift", "more than one value, as in the last good values", "a single one in every row that has any"


def _stale(view: str, days: float, times: pa.ChunkedArray, until: int) -> Iterator[Finding]:
    newest = pc.max(column_microseconds(times)).as_py()
    if newest is not None and newest >= until - duration(timedelta(days=days)):
        return
    found = "no row" if newest is None else f"{iso(newest)} as the newest"
    expected = f"a row of the last {days:g} days before {iso(until)}"
    yield Finding(
        view, None, expected, found, "Find out why the table stopped, or change the view's `fresh_within_days`"
    )
