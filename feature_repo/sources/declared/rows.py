"""The rows of one raw file as rows of a canonical table: each from its own raw row alone."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from feature_repo.sources.declared.convert import EXACT_NUMBER, ZONED, Conversion, conversion, retyped, typed
from feature_repo.sources.declared.engine import engine, reason
from feature_repo.sources.declared.expressions import Expression, parsed
from feature_repo.sources.declared.kinds import Kind
from feature_repo.sources.errors import SourceError
from models.spec.source import SourceTable, Times
from models.sql import identifier

LEFT_OUT = b"heliograph.left_out"
"""Key of the metadata: how many rows ``where`` left out."""
FILL_IN = "FILL_IN"
"""What `init` writes for a column that a user has to name."""
_ROW = "row of the file"
_ROWS = "rows of the file"
_NO_TIMES = Times()


class Raw(NamedTuple):
    """Rows as they were read."""

    rows: pa.Table
    place: str
    """Where from, for messages."""
    texts: bool
    """Whether the values are texts without a type, as in a CSV file."""


class Declared(NamedTuple):
    """What the spec says about a table."""

    name: str
    table: SourceTable
    kinds: Mapping[str, Kind]
    zone: str


def canonical_rows(raw: Raw, declared: Declared, given: Mapping[str, str] | None = None) -> pa.Table:
    """The table's ``columns`` from raw rows; ``given``: types of the raw columns that their source tells.

    The metadata has how many rows were left out. Raises SourceError for a column that is missing, and for a value that
    cannot be what the spec needs.
    """
    table = declared.table
    expressions = {name: parsed(text) for name, text in table.columns.items()}
    kept = None if table.where is None else parsed(table.where)
    read = [*expressions.values(), *([kept] if kept else [])]
    types = {**_told(given or {}, declared, kept), **table.types}
    _check_raw(raw, declared, read, types)
    names = sorted(frozenset().union(*(one.columns for one in read)))
    with engine(declared.zone, f"{raw.place}: table {declared.name}") as connection:
        rows = raw.rows.select(names).append_column(_ROW, pa.array(range(1, raw.rows.num_rows + 1), pa.int64()))
        connection.register("handed", rows)
        given_types = _typed(connection, raw, {name: types[name] for name in names if name in types})
        condition = f"WHERE {kept.sql}" if kept else ""
        evaluate(connection, expressions, ("raw", "found", condition), f"{raw.place}: table {declared.name}")
        for name, how in given_types.items():  # of the rows that are kept
            where = f"{raw.place}, column {name} (source.tables.{declared.name}.types)"
            _check_values(connection, "handed SEMI JOIN found USING (" + identifier(_ROW) + ")", name, how, where)
        left_out = raw.rows.num_rows - connection.execute("SELECT count(*) FROM found").fetchone()[0]
        if table.explode:
            _explode(connection, raw, declared)
        converted(connection, declared, table.columns, f"{raw.place}: ")
        row = identifier(_ROW)
        found = connection.sql(f"SELECT * EXCLUDE ({row}) FROM done ORDER BY {row}").to_arrow_table()
        return found.replace_schema_metadata({LEFT_OUT: str(left_out)})


def _told(given: Mapping[str, str], declared: Declared, kept: Expression | None) -> dict[str, str]:
    """The types that a source tells; exact numbers stay texts where they are read as they are, such as for a key."""
    floats = set(kept.columns if kept else ())
    for name, text in declared.table.columns.items():
        one = parsed(text)
        if one.plain is None or declared.kinds.get(name) not in ("text", "whole", "number", "label"):
            floats |= one.columns
    number = {True: "DOUBLE", False: EXACT_NUMBER}
    return {name: number[name in floats] if how == EXACT_NUMBER else how for name, how in given.items()}


def _check_raw(raw: Raw, declared: Declared, read: list[Expression], types: Mapping[str, str]) -> None:
    """Raise SourceError for raw columns that are missing, or that need a type."""
    known = raw.rows.column_names
    for name in sorted({*declared.table.types, *(column for one in read for column in one.columns)}):
        if name not in known:
            raise SourceError(
                f"{raw.place}: expected the column {name} (source.tables.{declared.name}); found {', '.join(known)}. "
                f"{_advice(known, name)}"
            )
    missing = sorted({name for one in read for name in one.untyped if name not in types}) if raw.texts else []
    if missing:
        advice = ", ".join(f"{name}: {looks_like(raw.rows[name])}" for name in missing)
        raise SourceError(
            f"source.tables.{declared.name}.types: expected the types of {', '.join(missing)}, which expressions read, "
            f"since {raw.place} has only texts; found none. By their values: types: {{{advice}}}"
        )


def _advice(known: list[str], name: str) -> str:
    """What to do about the column ``name`` that is missing; ``known``: the raw columns."""
    if name == FILL_IN:
        return "Finish the lines marked TO DO in the spec"
    for other in (";", "\t", "|"):
        if len(known) == 1 and other in known[0]:
            return f"Its values seem to be separated otherwise: give `delimiter: {json.dumps(other)}`"
    return "Names are case-sensitive; a text that is the same in every row stands in single quotes"


def looks_like(values: pa.ChunkedArray) -> str:
    """The type that all of some texts have."""
    with engine("UTC") as connection:
        connection.register("handed", pa.table({"value": values.slice(0, 10_000)}))
        for wanted in ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"):
            bad = f"value IS NOT NULL AND ({typed(wanted, 'value').sql}) IS NULL"
            if wanted == "DATE":
                bad += " OR length(value) > 10"
            if wanted in ("BIGINT", "DOUBLE"):  # keys such as 007
                bad += " OR regexp_matches(value, '^[+-]?0[0-9]')"
            if wanted == "TIMESTAMP":
                bad += f" OR regexp_matches(value, '{ZONED}')"
            if connection.execute(f"SELECT count(value) > 0 AND count(*) FILTER ({bad}) = 0 FROM handed").fetchone()[0]:
                return wanted
    return "VARCHAR"


def _typed(connection: Any, raw: Raw, types: Mapping[str, str]) -> dict[str, Conversion]:
    """Make ``raw``: the raw rows with types; a value that does not fit is null there. How each column is converted."""
    read = {name: kind for name, kind, *_ in connection.execute("DESCRIBE handed").fetchall()}
    found = {name: retyped(wanted, read[name], identifier(name)) for name, wanted in types.items()}
    parts = [f"{how.sql} AS {identifier(name)}" for name, how in found.items()]
    replaced = f" REPLACE ({', '.join(parts)})" if parts else ""
    connection.execute(f"CREATE TEMP TABLE raw AS SELECT *{replaced} FROM handed")
    return found


def evaluate(
    connection: Any, expressions: Mapping[str, Expression], tables: tuple[str, str, str], where: str, keep: str = _ROW
) -> None:
    """Make a table of expressions; ``tables``: (from, to, condition). Raises SourceError, which names the column."""
    source, target, condition = tables
    source = (
        f"{source} AS {identifier(_ROWS)}"  # else raw.event would be the column event, not a field of the column raw
    )
    parts = [f"{one.sql} AS {identifier(name)}" for name, one in expressions.items()]
    keep = "*" if keep == "*" else identifier(keep)
    try:
        connection.execute(
            f"CREATE TEMP TABLE {target} AS SELECT {', '.join([keep, *parts])} FROM {source} {condition}"
        )
    except duckdb.Error as error:
        alone = [(name, f"SELECT {one.sql} FROM {source} {condition}") for name, one in expressions.items()]
        if condition:
            alone.insert(0, ("(where)", f"SELECT 1 FROM {source} {condition}"))
        for name, statement in alone:
            try:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE attempt AS {statement}")
            except duckdb.Error as found:
                raise SourceError(
                    f"{where}, column {name}: expected an expression that DuckDB can compute with; found "
                    f"{reason(found)}"
                ) from None
        raise SourceError(
            f"{where}: expected expressions that DuckDB can compute with; found {reason(error)}"
        ) from None


def _explode(connection: Any, raw: Raw, declared: Declared) -> None:
    column = identifier(str(declared.table.explode))
    kind = {name: kind for name, kind, *_ in connection.execute("DESCRIBE found").fetchall()}[declared.table.explode]
    if not kind.endswith("]"):
        raise SourceError(
            f"{raw.place}: table {declared.name}, column {declared.table.explode}: expected lists to explode, such as "
            f"string_split(tags, ','); found {kind}"
        )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE found AS SELECT * REPLACE (unnest({column}) AS {column}) FROM found"
    )
    if kind == "VARCHAR[]":  # as string_split makes of an empty text, and of two separators in a row
        connection.execute(f"DELETE FROM found WHERE {column} = ''")


def converted(connection: Any, declared: Declared, columns: Mapping[str, Any], place: str = "") -> None:
    """Make ``done``: the columns of ``found`` as the spec needs them; the others stay. Raises SourceError."""
    types = {name: kind for name, kind, *_ in connection.execute("DESCRIBE found").fetchall()}
    parts = []
    for name in columns:
        kind = declared.kinds.get(name)
        column, found = identifier(name), types[name]
        if found == '"NULL"' or kind is None:
            if found in ("HUGEINT", "UHUGEINT") or found.startswith("DECIMAL"):
                parts.append(f"CAST({column} AS DOUBLE) AS {column}")
            continue
        how = conversion(kind, found, column, declared.table.times.get(name, _NO_TIMES))
        where = f"{place}table {declared.name}, column {name}"
        if how is None:
            raise SourceError(f"{where}: expected values that can be {_WORDS[kind]}; found {found}")
        _check_values(connection, "found", name, how, where)
        parts.append(f"{how.sql} AS {column}")
    replaced = f" REPLACE ({', '.join(parts)})" if parts else ""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE done AS SELECT *{replaced} FROM found")


_WORDS: dict[Kind, str] = {
    "time": "times",
    "whole": "whole numbers",
    "text": "text",
    "number": "numbers",
    "label": "0 or 1",
    "vector": "lists of numbers",
}


def _check_values(connection: Any, source: str, name: str, how: Conversion, where: str) -> None:
    """Raise SourceError if a value is lost by a conversion."""
    column, row = identifier(name), identifier(_ROW)
    lost = f"FROM {source} WHERE {column} IS NOT NULL AND ({how.sql}) IS NULL"
    count = connection.execute(f"SELECT count(*) {lost}").fetchone()[0]
    if count:
        value, first = connection.execute(
            f"SELECT CAST({column} AS VARCHAR), {row} {lost} ORDER BY {row} LIMIT 1"
        ).fetchone()
        rows = "1 row" if count == 1 else f"{count} rows"
        raise SourceError(
            f"{where}: expected {how.words}; found {rows} such as {value[:80]!r}, the first is row {first}"
        )
