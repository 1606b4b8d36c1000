"""Pandera schemas of the canonical tables, derived from the spec."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa

from models.columns import SAMPLED, SEEDS
from models.filters import mask
from models.spec import Edge, Feature, Spec

TIME = pa.timestamp("us", tz="UTC")
VECTOR = pa.list_(pa.float32())
EARLIEST = pd.Timestamp("2000-01-01", tz="UTC")
LATEST = pd.Timestamp("2200-01-01", tz="UTC")
"""Times out of these bounds have a wrong unit, such as milliseconds read as microseconds."""
_OLDEST = pd.Timestamp("1678-01-01", tz="UTC")
_MISREAD = pd.Timestamp("1970-03-01", tz="UTC")
"""Times since 1970 in seconds or milliseconds, read as microseconds, are before it."""
LONGEST_TEXT = 100_000
"""Characters of a `text` feature: a long article. The online store holds every text; what is longer is no text."""

_ARROW = {
    "number": pa.float32(),
    "category": pa.string(),
    "text": pa.string(),
    "vector": VECTOR,
    "time": TIME,
    "int": pa.int64(),
    "string": pa.string(),
}


def time_columns(spec: Spec) -> dict[str, list[str]]:
    """By table: the columns that say when its rows become known."""
    shown = spec.impressions
    found: dict[str, dict[str, None]] = defaultdict(dict)
    found[shown.table] = {shown.time: None, shown.settled: None}
    for node in spec.nodes.values():
        for view in node.views.values():
            found[view.table] |= {column: None for column in (view.time, view.created) if column}
    for edge in spec.edges.values():
        found[edge.table][edge.time] = None
    return {table: list(columns) for table, columns in found.items()}


def order_columns(spec: Spec, table: str) -> list[str]:
    """Columns by which a table is sorted: its times, then its keys."""
    keys = [column for name, column, _, _ in _keys(spec) if name == table]
    first = [spec.impressions.key] if table == spec.impressions.table else []
    return list(dict.fromkeys([*time_columns(spec).get(table, []), *first, *keys]))


def arrow_types(spec: Spec, table: str) -> dict[str, pa.DataType]:
    """Arrow types of the columns that the spec names; other columns keep theirs."""
    if table == SEEDS and spec.impressions.sample_negatives:
        return arrow_types(spec, spec.impressions.table) | {SAMPLED: pa.int8()}
    types = dict.fromkeys(time_columns(spec).get(table, []), TIME)
    types |= {column: _ARROW[kind] for name, column, kind, _ in _keys(spec) if name == table}
    types |= {feature.name: _ARROW[feature.kind] for name, feature in _features(spec) if name == table}
    if table == spec.impressions.table:
        types[spec.impressions.surface] = pa.string()
        if spec.impressions.served:
            types[spec.impressions.served] = pa.string()
        types |= {task.label: pa.int8() for task in spec.tasks.values()}
    return types


def key_columns(spec: Spec, table: str) -> set[str]:
    """Key columns of a table."""
    found = {column for name, column, _, _ in _keys(spec) if name == table}
    return found | ({spec.impressions.key} if table == spec.impressions.table else set())


def schema(spec: Spec, table: str, columns: Iterable[str], pending: bool = False) -> pandera.DataFrameSchema:
    """The schema of one table: exactly these columns, with the spec's requirements for each.

    ``pending``: for impressions whose outcomes are not known yet and may be null.
    """
    columns = list(columns)
    checks: dict[str, list[pandera.Check]] = defaultdict(list)
    required: set[str] = set()
    for column in time_columns(spec).get(table, []):
        checks[column] += [_typed(_is_time, "times with a zone (datetime64[us, UTC])"), _within_bounds()]
        required.add(column)
    for name, column, kind, always in _keys(spec):
        if name == table:
            checks[column] += _key_type(kind)
            required |= {column} if always else set()
    for edge in spec.edges.values():
        if edge.weight and edge.table == table:
            checks[edge.weight].append(_typed(_is_number, "numbers"))
        for attribute, kind in edge.attributes.items():
            if edge.table == table and kind == "number":
                checks[attribute].append(_typed(_is_number, "numbers"))
    for name, feature in _features(spec):
        if name == table:
            checks[feature.name] += _feature_type(feature)
    if table == spec.impressions.table:
        shown = spec.impressions
        checks[shown.key].append(_typed(lambda keys: _is_int64(keys) or _is_string(keys), "64-bit integers or text"))
        checks[shown.key].append(pandera.Check(_is_trimmed, error="text without spaces at its ends"))
        checks[shown.surface].append(_one_of(shown.surfaces))
        if shown.served:
            checks[shown.served] += _key_type("string")
        for task in spec.tasks.values():
            checks[task.label].append(_one_of([0, 1]))
        for measure in spec.measures.values():
            checks[measure.column] += [_typed(_is_integer, "whole numbers"), _between(0, measure.scale)]
            required.add(measure.column)
        required |= {shown.key, shown.surface, *(task.label for task in spec.tasks.values())}
    if spec.oracle and table == spec.oracle.table:
        checks[spec.oracle.probability].append(
            pandera.Check(lambda values: values.between(0, 1), error="a probability from 0 to 1")
        )
    advice = {
        task.label: f"Write 0 where task {name} is not defined: its `filter` leaves these rows out"
        for name, task in spec.tasks.items()
        if task.filter and table == spec.impressions.table
    }
    if pending:
        required -= {*time_columns(spec)[table], *spec.impressions.outcomes} - {spec.impressions.time}
    return pandera.DataFrameSchema(
        {
            column: pandera.Column(
                checks=checks[column], nullable=column not in required, required=True, description=advice.get(column)
            )
            for column in columns
        },
        checks=list(_row_checks(spec, table, set(columns))),
        strict=True,
    )


def _keys(spec: Spec) -> Iterator[tuple[str, str, str, bool]]:
    """(table, column, key type, whether it is required in every row) of each node key."""
    for role, column in spec.node_columns():
        del role
        yield spec.impressions.table, column.column, spec.nodes[column.node].key_type, True
    for node in spec.nodes.values():
        for view in node.views.values():
            yield view.table, node.key, node.key_type, True
    for edge in spec.edges.values():
        for end in (edge.source, edge.target):
            yield edge.table, end.column, spec.nodes[end.node].key_type, not edge.filter


def _features(spec: Spec) -> Iterator[tuple[str, Feature]]:
    for node in spec.nodes.values():
        for view in node.views.values():
            for feature in view.typed:
                yield view.table, feature
    for feature in spec.impressions.typed_given:
        yield spec.impressions.table, feature


def _row_checks(spec: Spec, table: str, columns: set[str]) -> Iterator[pandera.Check]:
    """Checks across the columns of a row, as far as they exist."""
    shown = spec.impressions
    if table == shown.table:
        yield pandera.Check(
            lambda frame: ~(frame[shown.settled] < frame[shown.time]), error=f"{shown.settled} not before {shown.time}"
        )
    for name, edge in spec.edges.items():
        if edge.table == table and edge.filter.keys() <= columns:
            yield from _edge_checks(name, edge, columns)


def _edge_checks(name: str, edge: Edge, columns: set[str]) -> Iterator[pandera.Check]:
    for end in (edge.source, edge.target):
        if end.column not in columns:
            continue
        yield pandera.Check(
            lambda frame, column=end.column: ~mask(frame, edge.filter) | frame[column].notna(),
            error=f"a key in {end.column} wherever edge {name} keeps the row",
        )
    if edge.weight in columns:
        yield pandera.Check(
            lambda frame: ~mask(frame, edge.filter) | (frame[edge.weight] > 0),
            error=f"a positive {edge.weight} wherever edge {name} keeps the row",
        )


def _one_of(values: list) -> pandera.Check:
    words = f"one of {', '.join(map(str, values))}"
    return pandera.Check(lambda column: column.where(column.map(pd.api.types.is_scalar)).isin(values), error=words)


def _between(low: int, high: int) -> pandera.Check:
    return pandera.Check(
        lambda column: column.between(low, high) if _is_number(column) else True, error=f"numbers from {low} to {high}"
    )


def _within_bounds() -> pandera.Check:
    def within(column: pd.Series) -> pd.Series | bool:
        return (column >= EARLIEST) & (column < LATEST) if _is_time(column) else True

    return pandera.Check(
        within, error=f"a time not before {EARLIEST.date()} and before {LATEST.date()} (check the unit)"
    )


def _within_pandas() -> pandera.Check:
    def within(column: pd.Series) -> pd.Series | bool:
        return (column >= _OLDEST) & (column < LATEST) if _is_time(column) else True

    return pandera.Check(within, error=f"a time not before {_OLDEST.date()} and before {LATEST.date()}")


def _unit() -> pandera.Check:
    """A film may be of 1950, so a single value says nothing of its unit; all of early 1970 do."""

    def holds(column: pd.Series) -> bool:
        early = (column >= pd.Timestamp(0, tz="UTC")) & (column < _MISREAD) if _is_time(column) else pd.Series([False])
        return column.empty or not bool(early.all())

    return _typed(holds, "times that are not all of January or February 1970 (check the unit)")


def _typed(holds: Callable[[pd.Series], bool], words: str) -> pandera.Check:
    return pandera.Check(holds, error=words)


def _key_type(kind: str) -> list[pandera.Check]:
    if kind == "int":
        return [_typed(_is_int64, "64-bit integers")]
    return [_typed(_is_string, "strings"), pandera.Check(_is_trimmed, error="text without spaces at its ends")]


def _is_trimmed(column: pd.Series) -> pd.Series | bool:
    """Whether keys have no spaces at their ends: an extra space makes another key, invisibly."""
    if column.empty or not _is_string(column):
        return True
    return (column.str.strip() == column) & (column != "")


def _feature_type(feature: Feature) -> list[pandera.Check]:
    if feature.kind == "number":
        return [_typed(_is_number, "numbers")]
    if feature.kind == "vector":
        vectors = f"vectors of {feature.size} numbers"
        return [pandera.Check(lambda column: column.map(lambda value: _is_vector(value, feature.size)), error=vectors)]
    if feature.kind == "text":
        return [
            _typed(_is_string, "strings"),
            pandera.Check(_is_short, error=f"texts of up to {LONGEST_TEXT:,} characters"),
        ]
    if feature.kind == "time":
        return [_typed(_is_time, "times with a zone (datetime64[us, UTC])"), _within_pandas(), _unit()]
    return [_typed(_is_string, "strings")]


def _is_short(column: pd.Series) -> pd.Series | bool:
    return column.str.len() <= LONGEST_TEXT if len(column) and _is_string(column) else True


def _is_time(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype)


def _is_string(column: pd.Series) -> bool:
    return column.empty or pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty")


def _is_number(column: pd.Series) -> bool:
    """Whether a column holds real numbers."""
    kind = column.dtype
    real = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    return column.empty or (real and "decimal" not in str(kind))


def _is_integer(column: pd.Series) -> bool:
    return column.empty or pd.api.types.is_integer_dtype(column.dtype)


def _is_int64(column: pd.Series) -> bool:
    if column.empty:
        return True
    return pd.api.types.is_integer_dtype(column.dtype) and not (column.dropna() > np.iinfo(np.int64).max).any()


def _is_vector(value: object, size: int) -> bool:
    """Whether a value is a flat vector of ``size`` finite numbers; false for ragged lists, text and None."""
    if not isinstance(value, (list, tuple, np.ndarray)) or isinstance(value, np.ma.MaskedArray) or len(value) != size:
        return False
    try:
        numbers = np.asarray(value)
    except ValueError:
        return False
    return numbers.shape == (size,) and numbers.dtype.kind in "iuf" and bool(np.isfinite(numbers).all())
