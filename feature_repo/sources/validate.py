"""Judging what an adapter read: wrong tables stop the run, repeated and out-of-range rows are dropped and counted."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from feature_repo.errors import SourceError
from feature_repo.sources.schemas import schema, time_columns
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER

log = logging.getLogger(__name__)

Dropped = dict[str, int]
DUPLICATES = "duplicates"
OUTSIDE = "outside the windows"


def validate(
    spec: Spec, tables: Mapping[str, pd.DataFrame], columns: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, pd.DataFrame], dict[str, Dropped]]:
    """Check every table against the spec and the adapter's own list of columns.

    Exact duplicates are dropped. So are impressions outside the windows (before the start of the graph window or from
    the end of the test window on) and other rows from that end on; history before the start stays. Both are counted.
    Returns (the tables that are left, by table what was dropped: reason -> rows). Raises SourceError.
    """
    if set(tables) != set(columns):
        raise SourceError(f"expected the tables {_names(columns)}; found {_names(tables)}. Mend the adapter")
    check_leaks(spec, columns)
    clean: dict[str, pd.DataFrame] = {}
    dropped: dict[str, Dropped] = {}
    for name, frame in tables.items():
        counts: Dropped = dict(frame.attrs.get("dropped", {}))
        kept = _without_duplicates(frame)
        _add(counts, DUPLICATES, len(frame) - len(kept))
        _check(spec, name, kept, columns[name])
        inside = kept[_inside(spec, name, kept)]
        _add(counts, OUTSIDE, len(kept) - len(inside))
        for reason, rows in counts.items():
            log.warning("table %s: dropped %d rows: %s", name, rows, reason)
        clean[name], dropped[name] = inside.reset_index(drop=True), counts
    _check_impressions(spec, clean[spec.impressions.table])
    return clean, dropped


def check_leaks(spec: Spec, columns: Mapping[str, tuple[str, ...]]) -> None:
    """No table of node features may hold an outcome of the impressions. Raises SourceError."""
    for node in spec.nodes.values():
        for view_name, view in node.views.items():
            leaks = [column for column in columns[view.table] if column in spec.impressions.outcomes]
            if leaks:
                raise SourceError(
                    f"table {view.table} (view {view_name}): expected features known before the outcome; found the "
                    f"outcome column {leaks[0]}. Take it out of the table"
                )


def _check(spec: Spec, name: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> None:
    try:
        schema(spec, name, columns).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise SourceError(_words(name, error.failure_cases, frame)) from None
    shown = spec.impressions
    if name == shown.table and frame[shown.key].duplicated().any():
        repeated = frame[shown.key][frame[shown.key].duplicated()]
        raise SourceError(
            f"table {name}, column {shown.key}: expected one row per key; found {len(repeated)} more with different "
            f"content, such as {repeated.iloc[0]}"
        )


def _words(table: str, cases: pd.DataFrame, frame: pd.DataFrame) -> str:
    """The first kind of failure, in one sentence: of the columns, then within a column, then between columns."""
    within = cases[cases["schema_context"] == "Column"]
    named = cases[cases["check"].isin(["column_in_schema", "column_in_dataframe"])]
    first = next(part for part in (named, within, cases) if len(part)).iloc[0]
    alike = cases[(cases["check"] == first["check"]) & (cases["column"].isna() | (cases["column"] == first["column"]))]
    if first["check"] == "column_in_schema":
        return (
            f"table {table}: expected the columns of the adapter's TABLES; found extra {_list(alike['failure_case'])}"
        )
    if first["check"] == "column_in_dataframe":
        missing = _list(alike["failure_case"])
        return f"table {table}: expected the columns of the adapter's TABLES; found none named {missing}"
    rows = alike["index"].nunique()
    if first["schema_context"] != "Column":
        return f"table {table}: expected {first['check']}; found {rows} rows without, the first at row {first['index']}"
    where = f"table {table}, column {first['column']}"
    if first["check"] == "not_nullable":
        return f"{where}: expected a value in every row; found {rows} nulls, the first at row {first['index']}"
    if pd.isna(first["index"]):
        return f"{where}: expected {first['check']}; found {frame[first['column']].dtype}"
    found = first["failure_case"]
    found = found.item() if isinstance(found, np.generic) else found
    return f"{where}: expected {first['check']}; found {rows} rows such as {found!r}"


def _check_impressions(spec: Spec, frame: pd.DataFrame) -> None:
    shown = spec.impressions
    if frame.empty:
        start, end = spec.span("graph").start, spec.span("test").end
        raise SourceError(
            f"table {shown.table}: expected impressions between {pd.Timestamp(start, unit='us', tz='UTC')} and "
            f"{pd.Timestamp(end, unit='us', tz='UTC')} (spec: windows); found none"
        )
    for context in shown.context:
        for outcome in shown.outcomes:
            if frame[outcome].nunique() > 1 and frame[context].equals(frame[outcome].astype(frame[context].dtype)):
                raise SourceError(
                    f"table {shown.table}, column {context}: expected context known at request time; found the same "
                    f"values as the outcome {outcome} in every row"
                )


def _without_duplicates(frame: pd.DataFrame) -> pd.DataFrame:
    comparable = frame.copy(deep=False)
    for column in frame.select_dtypes(object).columns:
        if frame[column].map(lambda value: isinstance(value, (list, np.ndarray))).any():
            comparable[column] = frame[column].map(lambda value: np.asarray(value, dtype=np.float32).tobytes())
    return frame[~comparable.duplicated().to_numpy()]


def _inside(spec: Spec, name: str, frame: pd.DataFrame) -> np.ndarray:
    """Which rows lie in the time that the spec covers: (rows,) bool."""
    start = pd.Timestamp(spec.span(WINDOW_ORDER[0]).start, unit="us", tz="UTC")
    end = pd.Timestamp(spec.span(WINDOW_ORDER[-1]).end, unit="us", tz="UTC")
    if name == spec.impressions.table:
        shown = frame[spec.impressions.time]
        return ((shown >= start) & (shown < end)).to_numpy()
    columns = time_columns(spec).get(name, [])
    if not columns:
        return np.ones(len(frame), dtype=bool)
    return (frame[columns].min(axis=1) < end).to_numpy()


def _add(counts: Dropped, reason: str, rows: int) -> None:
    if rows:
        counts[reason] = counts.get(reason, 0) + rows


def _names(tables: Mapping) -> str:
    return ", ".join(sorted(tables))


def _list(values: pd.Series) -> str:
    return ", ".join(map(str, values))
