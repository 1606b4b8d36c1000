"""Pushed rows judged by what ingest asks of the same table: one schema, one clock (``feature_repo.sources``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_repo.errors import NotAppliedError, SourceError
from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, Kind
from models.clock import bound, latest
from models.spec import parse_spec

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

_NONE = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Judge:
    """What is asked of the columns that the stream reads of a table."""

    table: str
    columns: Mapping[str, Kind]
    keys: frozenset[str]
    """Columns of keys: a truth value is none."""
    times: tuple[str, ...]
    """Columns of times that say when something became known."""
    settled: str | None
    """The impressions' settled time: without one their outcomes may be missing."""
    whole: "pandera.DataFrameSchema"
    pending: "pandera.DataFrameSchema"

    def check(self, rows: Sequence[Mapping[str, Any]], where: str) -> None:
        """Raise StreamError, which names the first row (from 1), unless ingest would take all of them."""
        from feature_repo.sources.aside import impossible
        from feature_repo.sources.validate import check_rows

        if not rows:
            return
        times = {name: _moments(rows, name) for name in self.times}
        for number, reason in enumerate(impossible(len(rows), times, latest()), start=1):
            if reason:
                column = reason.partition(" ")[0]
                raise StreamError(f"{where}, row {number}, column {column}: expected {bound()}; found {reason}")
        frame = self._frame(rows)
        known = np.ones(len(frame), bool) if self.settled is None else frame[self.settled].notna().to_numpy()
        try:
            for schema, some in ((self.whole, frame[known]), (self.pending, frame[~known])):
                if len(some):
                    check_rows(schema, self.table, some)
        except SourceError as error:
            raise StreamError(f"{where}: {error}") from None

    def _frame(self, rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """The rows as ingest sees a table's, numbered from 1."""
        import pandas as pd

        columns = {}
        for name, kind in self.columns.items():
            if kind == "time":
                moments = _moments(rows, name).view("datetime64[us]")  # the least int64 is numpy's NaT
                columns[name] = pd.Series(moments).dt.tz_localize("UTC")
                continue
            values = [row[name] for row in rows]
            types = {"int": "int64" if None not in values else "Int64", "text": "object"}
            columns[name] = pd.Series(values, dtype=types.get(kind, "float64"))
        frame = pd.DataFrame(columns)
        frame.index = pd.RangeIndex(1, len(frame) + 1)
        return frame


def judge_of(plan: EventPlan) -> Judge:
    """The judge of a table's rows. Raises NotAppliedError for a plan that does not say how."""
    if not plan.spec:
        raise NotAppliedError(
            f"table {plan.table}: expected definitions that say what its rows must be; found those of an earlier "
            "release. Apply the tables again (run the pipeline, or `feast apply`)"
        )
    return _judge(plan.spec, plan.table, tuple(plan.columns.items()))


@lru_cache(maxsize=64)
def _judge(spec_text: str, table: str, columns: tuple[tuple[str, Kind], ...]) -> Judge:
    from feature_repo.sources.schemas import key_columns, schema, time_columns

    spec = parse_spec(spec_text, "the applied spec")
    names = [name for name, _ in columns]
    impressions = table == spec.impressions.table
    whole = schema(spec, table, names)
    return Judge(
        table=table,
        columns=dict(columns),
        keys=frozenset(key_columns(spec, table)),
        times=tuple(name for name in time_columns(spec)[table] if name in names),
        settled=spec.impressions.settled if impressions else None,
        whole=whole,
        pending=schema(spec, table, names, pending=True) if impressions else whole,
    )


def _moments(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """(rows,) int64 microseconds; the least int64 where there is none."""
    return np.array([_NONE if row[name] is None else row[name] for row in rows], np.int64)
