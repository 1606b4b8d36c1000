"""What a declared table has beside its own rows' columns: as-of columns of other tables, and derived ones."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from feature_repo.sources.declared.engine import engine, reason
from feature_repo.sources.declared.expressions import Expression, parsed
from feature_repo.sources.declared.rows import _ROW, Declared, converted, evaluate
from feature_repo.sources.errors import SourceError
from models.spec.source import AsOf, Once
from models.sql import identifier


def once(rows: pa.Table, rule: Once, zone: str) -> pa.Table:
    """One row for each key, in the order of the rows."""
    keys = ", ".join(map(identifier, rule.key))
    newest = f"{identifier(rule.last)} DESC NULLS LAST, {_by_all(rows.column_names)}"
    with engine(zone) as connection:
        connection.register("handed", _numbered(rows))
        found = connection.sql(
            f"SELECT * EXCLUDE ({identifier(_ROW)}) FROM handed QUALIFY row_number() OVER (PARTITION BY {keys} "
            f"ORDER BY {newest}, {identifier(_ROW)}) = 1 ORDER BY {identifier(_ROW)}"
        )
        return found.to_arrow_table()


def joined(rows: pa.Table, declared: Declared, others: Mapping[str, pa.Table]) -> pa.Table:
    """The rows with the table's as-of and derived columns; ``others``: the ``columns`` of all tables."""
    table = declared.table
    if not table.asof and not table.derived:
        return rows
    with engine(declared.zone, f"table {declared.name}") as connection:
        connection.register("handed", _numbered(rows))
        connection.execute("CREATE TEMP TABLE found AS SELECT * FROM handed")
        for name, join in table.asof.items():
            connection.register("other", others[join.table])
            try:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {_as_of(name, join, others[join.table])}")
            except duckdb.Error as error:
                raise SourceError(
                    f"source.tables.{declared.name}.asof.{name}: expected keys and times of the same type in both "
                    f"tables; found {reason(error)}"
                ) from None
            connection.unregister("other")
        if table.derived:
            expressions = {name: parsed(text) for name, text in table.derived.items()}
            _check_typed(connection, declared, expressions)
            connection.execute("ALTER TABLE found RENAME TO joined")
            evaluate(connection, expressions, ("joined", "found", ""), f"table {declared.name}", keep="*")
            converted(connection, declared, table.derived)
            connection.execute("DROP TABLE found")
            connection.execute("ALTER TABLE done RENAME TO found")
        row = identifier(_ROW)
        return connection.sql(f"SELECT * EXCLUDE ({row}) FROM found ORDER BY {row}").to_arrow_table()


def _check_typed(connection: Any, declared: Declared, expressions: Mapping[str, Expression]) -> None:
    """Raise SourceError for an expression that would read texts as something else."""
    table = declared.table
    types = {name: kind for name, kind, *_ in connection.execute("DESCRIBE found").fetchall()}
    given = {name for name, text in table.columns.items() if (parsed(text).plain or "") in (*table.types, "")}
    for name, one in expressions.items():
        for read in sorted(one.untyped - given):
            if types[read] == "VARCHAR" and declared.kinds.get(read) is None:
                raise SourceError(
                    f"source.tables.{declared.name}.derived.{name}: expected {read} to have a type, or a cast such as "
                    f"CAST({read} AS DOUBLE); found texts. Give its raw column a type under types"
                )


def _as_of(name: str, join: AsOf, other: pa.Table) -> str:
    """The rows of ``found`` with one more column: that of the newest row of ``other`` strictly before them."""
    keys, time = [identifier(key) for key in join.keys], identifier(join.time)
    first = f"row_number() OVER (PARTITION BY {', '.join([*keys, time])} ORDER BY {_by_all(other.column_names)}) = 1"
    newest = (
        f"SELECT {', '.join(dict.fromkeys([*keys, time]))}, {identifier(join.column)} AS taken FROM other "
        f"WHERE {time} IS NOT NULL "
        f"QUALIFY {first}"
    )
    equal = " AND ".join(f"found.{key} = newest.{key}" for key in keys)
    return (
        f"SELECT found.*, newest.taken AS {identifier(name)} FROM found ASOF LEFT JOIN ({newest}) AS newest "
        f"ON {equal} AND found.{identifier(join.at)} > newest.{time}"
    )


def _by_all(names: list[str]) -> str:
    """An order of rows that does not depend on where they stand in their files."""
    return ", ".join(f"{identifier(name)} DESC NULLS LAST" for name in names)


def _numbered(rows: pa.Table) -> pa.Table:
    return rows.append_column(_ROW, pa.array(range(1, rows.num_rows + 1), pa.int64()))
