"""Validation of pushed rows: the same schema and the same clock as ingestion applies (``feature_repo.sources``)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, Kind
from feature_repo.stream.values import expected, value_of
from feature_repo.views.errors import NotAppliedError
from models.clock import bound, latest
from models.spec import parse_spec

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

_NO_TIME = np.iinfo(np.int64).min


def validated(plan: EventPlan, rows: Iterable[Any], where: str) -> list[dict[str, Any]]:
    """Convert every value to its column's type, and check that ingestion would accept all rows.

    Raises StreamError with row (from 1), column, expected and found.
    """
    validator = validator_of(plan)
    converted = [
        _convert(plan, validator.keys, row, f"{where}, row {number}") for number, row in enumerate(rows, start=1)
    ]
    validator.check(converted, where)
    return converted


def _convert(plan: EventPlan, keys: frozenset[str], row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise StreamError(f"{where}: expected an object of columns; found {row!r:.200}")
    values = {}
    for column, kind in plan.columns.items():
        given = row.get(column)
        try:
            if isinstance(given, bool) and column in keys:
                raise ValueError(given)
            values[column] = value_of(kind, given)
        except (ValueError, OverflowError, TypeError):
            raise StreamError(f"{where}, column {column}: expected {expected(kind)}; found {given!r:.200}") from None
        if values[column] is None and column in plan.required:
            found = "null" if column in row else "no such column"
            raise StreamError(f"{where}, column {column}: expected {expected(kind)}; found {found}")
    return values


def check_names(plan: EventPlan, names: Iterable[str], where: str) -> None:
    """Raise StreamError for a column that the table does not have: a typo would silently drop values."""
    for name in names:
        if name not in plan.known:
            raise StreamError(
                f"{where}: expected columns of the table {plan.table} ({', '.join(plan.known)}); found {name!r:.200}"
            )


@dataclass(frozen=True)
class RowValidator:
    """Schema and clock checks for the columns that the stream reads of a table."""

    table: str
    columns: Mapping[str, Kind]
    keys: frozenset[str]
    """Key columns, which hold no bools."""
    times: tuple[str, ...]
    """Columns that say when something became known."""
    settled: str | None
    """The settled time of impressions: rows without one may lack outcomes. None for other tables."""
    settled_schema: "pandera.DataFrameSchema"
    pending_schema: "pandera.DataFrameSchema"

    def check(self, rows: Sequence[Mapping[str, Any]], where: str) -> None:
        """Raise StreamError, naming the first bad row (from 1), unless ingestion would accept all rows."""
        from feature_repo.sources.errors import SourceError
        from feature_repo.sources.quarantine import impossible
        from feature_repo.sources.validate import check_rows

        if not rows:
            return
        times = {name: _time_column(rows, name) for name in self.times}
        for number, reason in enumerate(impossible(len(rows), times, latest()), start=1):
            if reason:
                column = reason.partition(" ")[0]
                raise StreamError(f"{where}, row {number}, column {column}: expected {bound()}; found {reason}")
        frame = self._frame(rows)
        settled = np.ones(len(frame), bool) if self.settled is None else frame[self.settled].notna().to_numpy()
        try:
            for schema, some in ((self.settled_schema, frame[settled]), (self.pending_schema, frame[~settled])):
                if len(some):
                    check_rows(schema, self.table, some)
        except SourceError as error:
            raise StreamError(f"{where}: {error}") from None

    def _frame(self, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """The rows as a frame in ingestion's types, numbered from 1."""
        import pandas as pd

        columns = {}
        for name, kind in self.columns.items():
            if kind == "time":
                times = _time_column(rows, name).view("datetime64[us]")  # the smallest int64 is numpy's NaT
                columns[name] = pd.Series(times).dt.tz_localize("UTC")
                continue
            values = [row[name] for row in rows]
            types = {"int": "int64" if None not in values else "Int64", "text": "object"}
            columns[name] = pd.Series(values, dtype=types.get(kind, "float64"))
        frame = pd.DataFrame(columns)
        frame.index = pd.RangeIndex(1, len(frame) + 1)
        return frame


def validator_of(plan: EventPlan) -> RowValidator:
    """The validator of a table's rows. Raises NotAppliedError for a plan without a spec."""
    if not plan.spec:
        raise NotAppliedError(
            f"table {plan.table}: expected definitions that hold the spec; found those of an earlier release. Apply "
            "the tables again (run the pipeline, or `feast apply`)"
        )
    return _validator(plan.spec, plan.table, tuple(plan.columns.items()))


@lru_cache(maxsize=64)
def _validator(spec_text: str, table: str, columns: tuple[tuple[str, Kind], ...]) -> RowValidator:
    from feature_repo.sources.schemas import key_columns, schema, time_columns

    spec = parse_spec(spec_text, "the applied spec")
    names = [name for name, _ in columns]
    impressions = table == spec.impressions.table
    settled_schema = schema(spec, table, names)
    return RowValidator(
        table=table,
        columns=dict(columns),
        keys=frozenset(key_columns(spec, table)),
        times=tuple(name for name in time_columns(spec)[table] if name in names),
        settled=spec.impressions.settled if impressions else None,
        settled_schema=settled_schema,
        pending_schema=schema(spec, table, names, pending=True) if impressions else settled_schema,
    )


def _time_column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """(rows,) int64 microseconds; the smallest int64 for None."""
    return np.array([_NO_TIME if row[name] is None else row[name] for row in rows], np.int64)
