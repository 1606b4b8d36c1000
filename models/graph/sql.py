"""The relational part of building a graph, as DuckDB statements: numbered nodes, edges, versions, impressions.

Rows keep the number they have in their file, so that ties are broken the same way in every run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from models.features import VALID_FROM, node_features
from models.filters import condition
from models.graph.errors import GraphInputError
from models.spec import Edge, Spec

_KEY_TYPES = {"int": "BIGINT", "string": "VARCHAR"}


class EdgeRows(NamedTuple):
    """One direction of an edge type as arrays (rows,), in order of (source, time, row number)."""

    source: np.ndarray
    target: np.ndarray
    time: np.ndarray
    weight: np.ndarray


class Relations:
    """The tables and the training set of one product, under SQL; a context manager. Raises GraphInputError."""

    def __init__(self, spec: Spec, tables: Path, training_set: Path) -> None:
        self.spec, self.tables, self.training_set = spec, tables, training_set
        self._connection = duckdb.connect()

    def __enter__(self) -> "Relations":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def number_nodes(self, node: str) -> pa.Array:
        """Number a node type's keys by their order, as relation ``node_<type>`` (key, index); returns the keys.

        The keys are all that the type's versions, the ends of active edges and the impressions name.
        """
        kind = _KEY_TYPES[self.spec.nodes[node].key_type]
        named = " UNION ALL ".join(
            f"SELECT CAST({_name(column)} AS {kind}) AS key FROM {_file(path)}"
            for path, column in self._key_columns(node)
        )
        self._run(
            f"CREATE TABLE {_name('node_' + node)} AS SELECT key, row_number() OVER (ORDER BY key) - 1 AS index "
            f"FROM (SELECT DISTINCT key FROM ({named or f'SELECT NULL::{kind} AS key'}) WHERE key IS NOT NULL)"
        )
        return self._table(f"SELECT key FROM {_name('node_' + node)} ORDER BY index")["key"].combine_chunks()

    def select_edges(self, name: str, edge: Edge) -> dict[str, int]:
        """Filter an edge type's rows into relation ``edge_<name>``; returns how many rows were dropped, by reason."""
        path = self.tables / f"{edge.table}.parquet"
        source, target = edge.source.column, edge.target.column
        types = _column_types(path, [source, target, edge.time, *edge.filter, *([edge.weight] if edge.weight else [])])
        kept, values = condition(edge.filter, types)
        self._run(
            "CREATE OR REPLACE TEMP TABLE selected AS SELECT source.index AS source, target.index AS target, "
            f"epoch_us(rows.{_name(edge.time)}) AS time, file_row_number AS row, "
            f"CAST({'rows.' + _name(edge.weight) if edge.weight else 1} AS FLOAT) AS weight "
            f"FROM (SELECT * FROM {_file(path)} AS rows WHERE {kept}) AS rows "
            f"LEFT JOIN {_name('node_' + edge.source.node)} AS source ON source.key = rows.{_name(source)} "
            f"LEFT JOIN {_name('node_' + edge.target.node)} AS target ON target.key = rows.{_name(target)}",
            values,
        )
        self._run(
            "CREATE OR REPLACE TEMP TABLE judged AS SELECT *, CASE "
            "WHEN source IS NULL OR target IS NULL THEN 'null_key' WHEN time IS NULL THEN 'null_time' "
            "WHEN weight > 0 AND isfinite(weight) THEN 'good' ELSE 'bad_weight' END AS verdict FROM selected"
        )
        self._run(
            f"CREATE TABLE {_name('edge_' + name)} AS SELECT source, target, time, min(row) AS row, "
            "arg_min(weight, row) AS weight FROM judged WHERE verdict = 'good' GROUP BY source, target, time"
        )
        counts = dict(self._run("SELECT verdict, count(*) FROM judged GROUP BY verdict"))
        ((distinct,),) = self._run(f"SELECT count(*) FROM {_name('edge_' + name)}")
        dropped = {reason: counts.get(reason, 0) for reason in ("null_key", "null_time", "bad_weight")}
        return {**dropped, "duplicate": counts.get("good", 0) - distinct}

    def edge_rows(self, name: str, reverse: bool) -> EdgeRows:
        """One direction of ``edge_<name>``; of the reverse one, the source is the edge type's target."""
        source, target = ("target", "source") if reverse else ("source", "target")
        rows = self._table(
            f"SELECT {source}, {target}, time, weight FROM {_name('edge_' + name)} ORDER BY {source}, time, row"
        )
        return EdgeRows(*(column.to_numpy() for column in rows.columns))

    def versions(self, node: str) -> tuple[pa.Table, dict[str, int]]:
        """A node type's versions, ordered by (node, time): columns node, time and ``feature_<name>``.

        The training set's rows are merged already: one per moment at which any view changes (or expires by its TTL),
        with every view's values as of then. Of rows with the same node and time the last in the file counts. Beside
        them: how many rows were dropped, by reason.
        """
        features = [feature.name for feature in node_features(self.spec, node)]
        if not features:
            return pa.table({"node": pa.array([], pa.int64()), "time": pa.array([], pa.int64())}), {}
        path, key = self.training_set / f"versions_{node}.parquet", self.spec.nodes[node].key
        _column_types(path, [key, VALID_FROM, *features])
        outer = [_name("feature_" + feature) for feature in features]
        inner = [f"rows.{_name(feature)} AS {alias}" for feature, alias in zip(features, outer, strict=True)]
        table = self._table(
            f"SELECT node, time, {', '.join(outer)} FROM (SELECT numbered.index AS node, "
            f"epoch_us(rows.{_name(VALID_FROM)}) AS time, file_row_number AS row, {', '.join(inner)} "
            f"FROM {_file(path)} AS rows JOIN {_name('node_' + node)} AS numbered ON numbered.key = rows.{_name(key)} "
            f"WHERE rows.{_name(VALID_FROM)} IS NOT NULL) "
            "QUALIFY row_number() OVER (PARTITION BY node, time ORDER BY row DESC) = 1 ORDER BY node, time"
        )
        ((rows, bad),) = self._run(
            f"SELECT count(*), count(*) FILTER ({_name(key)} IS NULL OR {_name(VALID_FROM)} IS NULL) FROM {_file(path)}"
        )
        return table, {"null_key_or_time": bad, "superseded": rows - bad - table.num_rows}

    def seeds(self, file: str, features: Sequence[str]) -> pa.Table:
        """A file of the training set, ``impressions`` or ``frozen``, without the graph window, in order of (time, key).

        Columns: key, member and item (node indices, -1 unknown), surface, window, time and settled (microseconds),
        then as ``feature_<name>`` and ``label_<task>`` (null where the task's filter leaves the row out).
        """
        shown, ends = self.spec.impressions, dict(self.spec.node_columns())
        path = self.training_set / f"{file}.parquet"
        needed = [shown.key, shown.time, shown.settled, shown.surface, "window", *(e.column for e in ends.values())]
        used = [column for task in self.spec.tasks.values() for column in (task.label, *task.filter)]
        types = _column_types(path, [*needed, *features, *used])
        columns, values = [f"rows.{_name(name)} AS {_name('feature_' + name)}" for name in features], []
        for name, task in self.spec.tasks.items():
            kept, kept_values = condition(task.filter, types)
            columns.append(
                f"CASE WHEN {kept} THEN CAST(rows.{_name(task.label)} AS FLOAT) END AS {_name('label_' + name)}"
            )
            values += kept_values
        joins = " ".join(
            f"LEFT JOIN {_name('node_' + end.node)} AS {role} ON {role}.key = rows.{_name(end.column)}"
            for role, end in ends.items()
        )
        return self._table(
            f"SELECT rows.{_name(shown.key)} AS key, coalesce(member.index, -1) AS member, "
            f"coalesce(item.index, -1) AS item, rows.{_name(shown.surface)} AS surface, rows.window, "
            f"epoch_us(rows.{_name(shown.time)}) AS time, epoch_us(rows.{_name(shown.settled)}) AS settled, "
            f"{', '.join(columns)} FROM {_file(path)} AS rows {joins} WHERE rows.window <> 'graph' "
            f"ORDER BY rows.{_name(shown.time)}, rows.{_name(shown.key)}",
            values,
        )

    def _key_columns(self, node: str) -> list[tuple[Path, str]]:
        """Every (file, column) that names keys of a node type."""
        found = []
        if node_features(self.spec, node):
            found.append((self.training_set / f"versions_{node}.parquet", self.spec.nodes[node].key))
        for edge in self.spec.active_edges().values():
            path = self.tables / f"{edge.table}.parquet"
            found += [(path, end.column) for end in (edge.source, edge.target) if end.node == node]
        path = self.training_set / "impressions.parquet"
        found += [(path, end.column) for _, end in self.spec.node_columns() if end.node == node]
        for path, column in found:
            _column_types(path, [column])
        return list(dict.fromkeys(found))

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple]:
        try:
            return self._connection.execute(statement, list(values)).fetchall()
        except duckdb.Error as error:
            raise self._misfit(error) from error

    def _table(self, statement: str, values: Sequence[Any] = ()) -> pa.Table:
        try:
            return self._connection.sql(statement, params=list(values)).to_arrow_table()
        except duckdb.Error as error:
            raise self._misfit(error) from error

    def _misfit(self, error: duckdb.Error) -> GraphInputError:
        return GraphInputError(
            f"{self.tables}, {self.training_set}: expected tables that fit the spec; found {error}. "
            "Run the steps before (ingest, retrieve) again"
        )


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _file(path: Path) -> str:
    """The file as a relation with the extra column ``file_row_number``."""
    return "read_parquet('" + str(path).replace("'", "''") + "', file_row_number = true)"


def _column_types(path: Path, needed: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of a file's columns, all ``needed`` ones among them. Raises GraphInputError."""
    if not path.is_file():
        raise GraphInputError(f"{path}: expected this file; found none. Run the steps before (ingest, retrieve) again")
    try:
        schema = parquet.read_schema(path)
    except pa.ArrowException as error:
        raise GraphInputError(
            f"{path}: expected a Parquet file; found {error}. Run the step that wrote it again"
        ) from None
    for column in needed:
        if column not in schema.names:
            raise GraphInputError(
                f"{path}: expected column {column!r}, which the spec names; found {', '.join(schema.names)}. "
                "Was it written with another spec?"
            )
    return {field.name: field.type for field in schema}
