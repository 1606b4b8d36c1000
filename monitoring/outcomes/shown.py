"""Outcomes in the adapter's table of impressions, as tables of DuckDB: by the impression's id, or by time."""

from pathlib import Path
from typing import TYPE_CHECKING

from models.parquet import parquet_source
from models.spec import Spec
from models.sql import identifier
from models.time_units import HOUR
from monitoring.outcomes.columns import KEY

if TYPE_CHECKING:
    import duckdb

BY_ID, BY_TIME = "shown_by_id", "shown_by_time"
WITHIN = 24 * HOUR
"""How long after serving an impression without an id may follow."""
_ROWS = "shown_rows"
NO_CANDIDATES = (
    f"SELECT NULL::VARCHAR AS {KEY}, NULL::VARCHAR AS member, NULL::VARCHAR AS item, NULL::VARCHAR AS surface, "
    "NULL::BIGINT AS served WHERE false"
)


def load(connection: "duckdb.DuckDBPyConnection", spec: Spec, table: Path) -> int:
    """Create BY_ID and an empty BY_TIME from the table; return the time of its last row, 0 for none.

    Rows of an id must agree in member and item. For each task, by its number in the spec: ``s0`` is {shown, no} of the
    first row with a label, of two at the same time the positive one; ``m0`` is how many rows have one.
    """
    shown = spec.impressions
    labels = ", ".join(
        f"{identifier(task.label)}::DOUBLE AS l{number}" for number, task in enumerate(spec.tasks.values())
    )
    served = "NULL" if shown.served is None else identifier(shown.served)
    member, item = identifier(shown.member.column), identifier(shown.item.column)
    connection.execute(
        f"CREATE VIEW {_ROWS} AS SELECT {served}::VARCHAR AS {KEY}, {member}::VARCHAR AS member, "
        f"{item}::VARCHAR AS item, {identifier(shown.surface)}::VARCHAR AS surface, "
        f"epoch_us({identifier(shown.time)}) AS shown, {labels} FROM {parquet_source(table)}"
    )
    connection.execute(
        f"CREATE TABLE {BY_ID} AS SELECT {KEY}, member, item, {_firsts(spec)} FROM {_ROWS} WHERE {KEY} IS NOT NULL "
        f"GROUP BY {KEY}, member, item"
    )
    connection.execute(
        f"CREATE TABLE {BY_TIME} AS SELECT {KEY}, {_firsts(spec)} FROM {_ROWS} WHERE false GROUP BY {KEY}"
    )
    (last,) = connection.execute(f"SELECT max(shown) FROM {_ROWS}").fetchone() or (None,)
    return last or 0


def has_rows_without_id(connection: "duckdb.DuckDBPyConnection", first: int, last: int) -> bool:
    """Whether a row of the span has no id and so is matched by time."""
    condition = f"{KEY} IS NULL AND shown >= {first} AND shown < {last + WITHIN}"
    return connection.execute(f"SELECT 1 FROM {_ROWS} WHERE {condition} LIMIT 1").fetchone() is not None


def match_by_time(connection: "duckdb.DuckDBPyConnection", spec: Spec, candidates: str, last: int) -> None:
    """Create BY_TIME of the candidates served before ``last``, for the rows without an id.

    ``candidates``: statement with KEY, member, item (as text), surface and served, those of the next 24 hours too. A
    candidate that has a row by its id takes no other. One takes the first row of its member, item and surface at or
    after it, within 24 hours; a row that several would take belongs to the last of them.
    """
    tasks = range(len(spec.tasks))
    labels, found = ", ".join(f"max(l{one}) AS l{one}" for one in tasks), ", ".join(f"r.l{one}" for one in tasks)
    same = "member, item, surface, shown"
    last_of_all = f"row_number() OVER (PARTITION BY {same} ORDER BY served DESC, {KEY} DESC) = 1"
    connection.execute(
        f"CREATE OR REPLACE TABLE {BY_TIME} AS WITH c AS (SELECT * FROM ({candidates}) c "
        f"WHERE NOT EXISTS (FROM {BY_ID} b WHERE b.{KEY} = c.{KEY} AND b.member = c.member AND b.item = c.item)), "
        f"r AS (SELECT {same}, {labels} FROM {_ROWS} WHERE {KEY} IS NULL GROUP BY {same}), "
        f"taken AS (SELECT c.*, r.shown, {found} FROM c ASOF JOIN r ON c.member = r.member "
        f"AND c.item = r.item AND c.surface = r.surface AND c.served <= r.shown WHERE r.shown - c.served <= {WITHIN}), "
        f"own AS (SELECT * FROM taken QUALIFY {last_of_all}) "
        f"SELECT {KEY}, {_firsts(spec)} FROM own WHERE served < {last} GROUP BY {KEY}"
    )


def _firsts(spec: Spec) -> str:
    return ", ".join(
        f"min({{'shown': shown, 'no': 1 - l{number}}}) FILTER (l{number} IS NOT NULL) AS s{number}, "
        f"count(l{number}) AS m{number}"
        for number in range(len(spec.tasks))
    )
