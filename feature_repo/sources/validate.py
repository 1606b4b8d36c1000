"""Validate an adapter's tables: raise for wrong ones; drop and count duplicates and rows out of range."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from feature_repo.sources.errors import Problems, SourceError
from feature_repo.sources.numbers import check_columns, check_numbers
from feature_repo.sources.quarantine import quarantine, quarantined_rows
from feature_repo.sources.schemas import schema, time_columns
from feature_repo.sources.windows import spec_of_frame
from models.filters import impossible
from models.parquet import ColumnNamesError, check_column_names
from models.spec import Spec
from models.spec.references import filters
from models.spec.schema import WINDOW_ORDER

log = logging.getLogger(__name__)

Dropped = dict[str, int]
_NESTED = (list, tuple, set, dict, np.ndarray)
DUPLICATES = "duplicates"
BEFORE = "before the first window"
IMPOSSIBLE = "impossible times: quarantined"
"""Reasons for dropped rows, as written to the manifest."""


class Validated(NamedTuple):
    """What ``validate`` returns."""

    tables: dict[str, pd.DataFrame]
    """The remaining rows, by table."""
    dropped: dict[str, Dropped]
    """The dropped rows by reason, by table."""
    spec: Spec
    """The spec with the dates of its windows."""
    shown: pd.DataFrame | None = None
    """The valid impressions of all days, also those before the graph window; None where their table has an error."""


def validate(
    spec: Spec,
    tables: Mapping[str, pd.DataFrame],
    columns: Mapping[str, tuple[str, ...]],
    problems: Problems | None = None,
) -> Validated:
    """Check every table against the spec and the adapter's list of columns, and resolve the spec's windows.

    Drops and counts exact duplicates, and impressions before the graph window. Other rows before it stay as history,
    and rows after the test window stay too: they are in no window, but new data for the graph and the counters. Rows
    with an impossible time are quarantined and counted (``sources.quarantine``). Raises SourceError; ``problems`` may
    keep the errors instead: a table with one is then left out, and without impressions the windows have no dates.
    """
    problems = problems or Problems()
    with problems.trying():
        if set(tables) != set(columns):
            raise SourceError(f"expected the tables {_names(columns)}; found {_names(tables)}. Fix the adapter")
    with problems.trying():
        check_leaks(spec, columns)
    clean: dict[str, pd.DataFrame] = {}
    dropped: dict[str, Dropped] = {}
    shown: pd.DataFrame | None = None
    for name, frame in ((one, table) for one, table in tables.items() if one in columns):
        with problems.trying():
            kept, counts = _valid_rows(spec, name, frame, columns[name])
            attributes = kept.attrs
            if name == spec.impressions.table:
                _check_keys(spec, shown := kept)
                spec = spec_of_frame(spec, kept)
                inside = kept[(kept[spec.impressions.time] >= _timestamp(spec.span(WINDOW_ORDER[0]).start)).to_numpy()]
                _add(counts, BEFORE, len(kept) - len(inside))
                kept = inside
            for reason, rows in counts.items():
                log.warning("table %s: dropped %d rows: %s", name, rows, reason)
            clean[name], dropped[name] = kept.reset_index(drop=True), counts
            clean[name].attrs = attributes
    _check_filters(spec, clean, problems)
    if spec.impressions.table in clean:
        _check_impressions(spec, clean[spec.impressions.table], problems)
    return Validated(clean, dropped, spec, shown)


def _valid_rows(
    spec: Spec, name: str, frame: pd.DataFrame, columns: tuple[str, ...]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of a table that match its schema, each once, and the dropped ones by reason. Raises SourceError."""
    check_columns(name, frame)
    try:
        check_column_names(f"table {name}", map(str, frame.columns))
    except ColumnNamesError as error:
        raise SourceError(str(error)) from None
    counts: Dropped = dict(frame.attrs.get("dropped", {}))
    possible = quarantine(name, frame, time_columns(spec).get(name, []))
    check_rows(schema(spec, name, columns), name, possible)
    check_numbers(spec, name, possible)
    kept = _without_duplicates(possible)
    _add(counts, DUPLICATES, len(possible) - len(kept))
    quarantined = quarantined_rows(possible)
    _add(counts, IMPOSSIBLE, 0 if quarantined is None else len(quarantined))
    return kept, counts


def check_leaks(spec: Spec, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise SourceError if a table of node features contains an outcome of the impressions."""
    found = [
        f"table {view.table} (view {view_name}): expected features known before the outcome; found the outcome column "
        f"{leaks[0]}. Remove it from the table"
        for node in spec.nodes.values()
        for view_name, view in node.views.items()
        if (leaks := [column for column in columns.get(view.table, ()) if column in spec.impressions.outcomes])
    ]
    if found:
        raise SourceError(found[0], tuple(found[1:]))


def check_rows(expected: pandera.DataFrameSchema, name: str, frame: pd.DataFrame) -> None:
    """Raise SourceError unless rows to ingest or push match the table's schema (``schemas.schema``).

    The message names the column, what was expected, and the first bad row by the frame's index.
    """
    try:
        expected.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        advice = {column: f". {one.description}" for column, one in expected.columns.items() if one.description}
        first, *more = _messages(name, error.failure_cases, frame, advice)
        raise SourceError(first, tuple(more)) from None


def _check_keys(spec: Spec, frame: pd.DataFrame) -> None:
    shown = spec.impressions
    repeated = frame[shown.key][frame[shown.key].duplicated()]
    if len(repeated):
        raise SourceError(
            f"table {shown.table}, column {shown.key}: expected one row per key; found {len(repeated)} more with "
            f"different content, such as {repeated.iloc[0]}"
        )


def _check_filters(spec: Spec, tables: Mapping[str, pd.DataFrame], problems: Problems) -> None:
    """Raise SourceError for a filter value that its column cannot hold: it would silently keep no row."""
    for key, table, kept in filters(spec):
        for column, value, holds in impossible(tables[table], kept) if table in tables else ():
            with problems.trying():
                expected = f"{key}.{column}: expected values that the column can hold ({holds})"
                raise SourceError(f"{expected}; found {value!r}")


def _messages(table: str, cases: pd.DataFrame, frame: pd.DataFrame, advice: Mapping[str, str]) -> list[str]:
    """The failures, a sentence each: missing or extra columns, then values, and where there is neither, across columns.

    A check across columns says nothing new about a column that is missing or of a wrong type. ``advice``: by column,
    what to do about nulls.
    """
    within = cases[cases["schema_context"] == "Column"]
    named = cases[cases["check"].isin(["column_in_schema", "column_in_dataframe"])]
    if len(named) or len(within):
        firsts = pd.concat([named.drop_duplicates("check"), within.drop_duplicates(["check", "column"])])
    else:  # a case for each column of a row
        firsts = cases.drop_duplicates("check")
    return [_message(table, cases, first, frame, advice) for _, first in firsts.iterrows()]


def _message(table: str, cases: pd.DataFrame, first: pd.Series, frame: pd.DataFrame, advice: Mapping[str, str]) -> str:
    """A failure as a sentence; ``first`` is its first case."""
    same = cases[(cases["check"] == first["check"]) & (cases["column"].isna() | (cases["column"] == first["column"]))]
    if first["check"] == "column_in_schema":
        return f"table {table}: expected the columns of the adapter's TABLES; found extra {_list(same['failure_case'])}"
    if first["check"] == "column_in_dataframe":
        missing = _list(same["failure_case"])
        return f"table {table}: expected the columns of the adapter's TABLES; found none named {missing}"
    rows = same["index"].nunique()
    if first["schema_context"] != "Column":
        found = f"{rows} rows where that is not so, the first at row {first['index']}"
        return f"table {table}: expected {first['check']}; found {found}"
    where = f"table {table}, column {first['column']}"
    if first["check"] == "not_nullable":
        return f"{where}: expected a value in every row; found {rows} nulls, the first at row {first['index']}" + (
            advice.get(first["column"], "")
        )
    if pd.isna(first["index"]):
        return f"{where}: expected {first['check']}; found {_dtype(frame[first['column']])}"
    found = first["failure_case"]
    shown = f"{found.item() if isinstance(found, np.generic) else found!r:.200}"
    return f"{where}: expected {first['check']}; found {rows} rows such as {shown}, the first at row {first['index']}"


def _dtype(column: pd.Series) -> str:
    """The dtype of a column; for an object column, an example of each type in it."""
    present = np.flatnonzero(column.notna())
    if column.dtype != object or not present.size:
        return str(column.dtype)
    examples: dict[str, str] = {}
    for row in present:
        value = column.iloc[row]
        examples.setdefault(type(value).__name__, f"{type(value).__name__} {value!r:.60} in row {row}")
    return f"object: {', '.join(list(examples.values())[:3])}"


def _check_impressions(spec: Spec, frame: pd.DataFrame, problems: Problems) -> None:
    shown = spec.impressions
    start, end = _timestamp(spec.span(WINDOW_ORDER[0]).start), _timestamp(spec.span(WINDOW_ORDER[-1]).end)
    with problems.trying():
        if not (frame[shown.time] < end).any():
            times = frame[shown.time]
            found = f"none, but rows from {times.min()} to {times.max()}" if len(times) else "none"
            raise SourceError(
                f"table {shown.table}: expected impressions between {start} and {end} (spec: windows); found {found}"
            )
    for context in (*shown.context, *shown.candidate_context):
        for outcome in shown.outcomes:
            if _are_equal(frame[context], frame[outcome]) and _comparable(frame[outcome]).nunique() > 1:
                with problems.trying():
                    raise SourceError(
                        f"table {shown.table}, column {context}: expected context known at request time; found the "
                        f"same values as the outcome {outcome} in every row"
                    )


def _are_equal(one: pd.Series, other: pd.Series) -> bool:
    """Whether two columns are equal: numbers as numbers, anything else as text."""
    if pd.api.types.is_numeric_dtype(one.dtype) and pd.api.types.is_numeric_dtype(other.dtype):
        first, second = (column.to_numpy(dtype=float, na_value=np.nan) for column in (one, other))
        return np.array_equal(first, second, equal_nan=True)
    return _comparable(one).astype(str).equals(_comparable(other).astype(str))


def _without_duplicates(frame: pd.DataFrame) -> pd.DataFrame:
    comparable = pd.DataFrame({column: _comparable(frame[column]) for column in frame.columns}, index=frame.index)
    return frame[~comparable.duplicated().to_numpy()]


def _comparable(column: pd.Series) -> pd.Series:
    """The column with lists, arrays and dicts as tuples, which can be compared and hashed."""
    if isinstance(column.dtype, pd.ArrowDtype):
        column = column.astype(object)
    if column.dtype != object or not column.map(lambda value: isinstance(value, _NESTED)).any():
        return column
    return pd.Series([_frozen(value) for value in column], index=column.index, dtype=object)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((repr(key), _frozen(inner)) for key, inner in value.items()))
    if isinstance(value, _NESTED):
        return tuple(_frozen(inner) for inner in (value.tolist() if isinstance(value, np.ndarray) else value))
    return "nan" if value != value else value


def _timestamp(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")


def _add(counts: Dropped, reason: str, rows: int) -> None:
    if rows:
        counts[reason] = counts.get(reason, 0) + rows


def _names(tables: Mapping) -> str:
    return ", ".join(sorted(tables))


def _list(values: pd.Series) -> str:
    return ", ".join(map(str, values))
