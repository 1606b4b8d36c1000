"""Validate an adapter's tables: raise for wrong ones; drop and count duplicates and rows out of range."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pandera

from feature_repo.sources.errors import SourceError
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


def validate(spec: Spec, tables: Mapping[str, pd.DataFrame], columns: Mapping[str, tuple[str, ...]]) -> Validated:
    """Check every table against the spec and the adapter's list of columns, and resolve the spec's windows.

    Drops and counts exact duplicates, and impressions before the graph window. Other rows before it stay as history,
    and rows after the test window stay too: they are in no window, but new data for the graph and the counters. Rows
    with an impossible time are quarantined and counted (``sources.quarantine``). Raises SourceError.
    """
    if set(tables) != set(columns):
        raise SourceError(f"expected the tables {_names(columns)}; found {_names(tables)}. Fix the adapter")
    check_leaks(spec, columns)
    for name, frame in tables.items():
        check_columns(name, frame)
        try:
            check_column_names(f"table {name}", map(str, frame.columns))
        except ColumnNamesError as error:
            raise SourceError(str(error)) from None
    clean: dict[str, pd.DataFrame] = {}
    dropped: dict[str, Dropped] = {}
    for name, frame in tables.items():
        counts: Dropped = dict(frame.attrs.get("dropped", {}))
        possible = quarantine(name, frame, time_columns(spec).get(name, []))
        check_rows(schema(spec, name, columns[name]), name, possible)
        check_numbers(spec, name, possible)
        kept = _without_duplicates(possible)
        _add(counts, DUPLICATES, len(possible) - len(kept))
        quarantined = quarantined_rows(possible)
        _add(counts, IMPOSSIBLE, 0 if quarantined is None else len(quarantined))
        if name == spec.impressions.table:
            _check_keys(spec, kept)
            spec = spec_of_frame(spec, kept)
            inside = kept[(kept[spec.impressions.time] >= _timestamp(spec.span(WINDOW_ORDER[0]).start)).to_numpy()]
            _add(counts, BEFORE, len(kept) - len(inside))
            kept = inside
        for reason, rows in counts.items():
            log.warning("table %s: dropped %d rows: %s", name, rows, reason)
        clean[name], dropped[name] = kept.reset_index(drop=True), counts
        clean[name].attrs = possible.attrs
    _check_filters(spec, clean)
    _check_impressions(spec, clean[spec.impressions.table])
    return Validated(clean, dropped, spec)


def check_leaks(spec: Spec, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise SourceError if a table of node features contains an outcome of the impressions."""
    for node in spec.nodes.values():
        for view_name, view in node.views.items():
            leaks = [column for column in columns[view.table] if column in spec.impressions.outcomes]
            if leaks:
                raise SourceError(
                    f"table {view.table} (view {view_name}): expected features known before the outcome; found the "
                    f"outcome column {leaks[0]}. Remove it from the table"
                )


def check_rows(expected: pandera.DataFrameSchema, name: str, frame: pd.DataFrame) -> None:
    """Raise SourceError unless rows to ingest or push match the table's schema (``schemas.schema``).

    The message names the column, what was expected, and the first bad row by the frame's index.
    """
    try:
        expected.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise SourceError(_message(name, error.failure_cases, frame)) from None


def _check_keys(spec: Spec, frame: pd.DataFrame) -> None:
    shown = spec.impressions
    repeated = frame[shown.key][frame[shown.key].duplicated()]
    if len(repeated):
        raise SourceError(
            f"table {shown.table}, column {shown.key}: expected one row per key; found {len(repeated)} more with "
            f"different content, such as {repeated.iloc[0]}"
        )


def _check_filters(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> None:
    """Raise SourceError for a filter value that its column cannot hold: it would silently keep no row."""
    for key, table, kept in filters(spec):
        for column, value, holds in impossible(tables[table], kept):
            raise SourceError(f"{key}.{column}: expected values that the column can hold ({holds}); found {value!r}")


def _message(table: str, cases: pd.DataFrame, frame: pd.DataFrame) -> str:
    """The first failure as a sentence: missing or extra columns, then values, then checks across columns."""
    within = cases[cases["schema_context"] == "Column"]
    named = cases[cases["check"].isin(["column_in_schema", "column_in_dataframe"])]
    first = next(part for part in (named, within, cases) if len(part)).iloc[0]
    same = cases[(cases["check"] == first["check"]) & (cases["column"].isna() | (cases["column"] == first["column"]))]
    if first["check"] == "column_in_schema":
        return f"table {table}: expected the columns of the adapter's TABLES; found extra {_list(same['failure_case'])}"
    if first["check"] == "column_in_dataframe":
        missing = _list(same["failure_case"])
        return f"table {table}: expected the columns of the adapter's TABLES; found none named {missing}"
    rows = same["index"].nunique()
    if first["schema_context"] != "Column":
        return f"table {table}: expected {first['check']}; found {rows} rows without, the first at row {first['index']}"
    where = f"table {table}, column {first['column']}"
    if first["check"] == "not_nullable":
        return f"{where}: expected a value in every row; found {rows} nulls, the first at row {first['index']}"
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


def _check_impressions(spec: Spec, frame: pd.DataFrame) -> None:
    shown = spec.impressions
    start, end = _timestamp(spec.span(WINDOW_ORDER[0]).start), _timestamp(spec.span(WINDOW_ORDER[-1]).end)
    if not (frame[shown.time] < end).any():
        raise SourceError(
            f"table {shown.table}: expected impressions between {start} and {end} (spec: windows); found none"
        )
    for context in shown.context:
        for outcome in shown.outcomes:
            if _are_equal(frame[context], frame[outcome]) and _comparable(frame[outcome]).nunique() > 1:
                raise SourceError(
                    f"table {shown.table}, column {context}: expected context known at request time; found the same "
                    f"values as the outcome {outcome} in every row"
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
