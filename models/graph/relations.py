"""SQL of a graph build: numbered nodes, edges, versions and impressions, for any engine.

The statements use the subset of SQL described in ``models.graph.engine``. Rows keep their number in their file, so that
ties are broken the same way in every run and on every engine.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from models.columns import FROZEN, IMPRESSIONS
from models.features import FROZEN_TIME, VALID_FROM, node_features
from models.filters import condition
from models.graph.engine import Connection, Values
from models.graph.errors import GraphInputError, StatementError
from models.graph.files import check_keys, column_types
from models.spec import Edge, Spec
from models.spec.edges import EdgeEnd
from models.spec.schema import Column
from models.sql import identifier

_KEY_TYPES = {"int": "BIGINT", "string": "VARCHAR"}
_ARROW_KEY_TYPES = {"int": pa.int64(), "string": pa.string()}
_LARGEST = 3.4028234663852886e38
"""The largest FLOAT."""
_VALID = "source IS NOT NULL AND target IS NOT NULL AND time IS NOT NULL AND weight > 0"


class EdgeCount(NamedTuple):
    """The size of an edge type."""

    rows: int
    weighted: bool
    """Whether any weight differs from 1."""


class Relations:
    """The tables and the training set of one build as SQL relations. Every method may raise GraphInputError."""

    def __init__(self, spec: Spec, tables: Path, training_set: Path, connection: Connection, scratch: Path) -> None:
        self.spec, self.tables, self.training_set = spec, tables, training_set
        self.connection, self.scratch = connection, scratch
        self._registered: dict[Path, str] = {}

    def number_nodes(self, node: str) -> pa.Array:
        """Number a node type's keys in ascending order as relation ``node_<type>`` (key, index); return the keys.

        The keys are those in the type's versions, in the ends of active edges and in the impressions.
        """
        key_type = self.spec.nodes[node].key_type
        named = " UNION ALL ".join(
            f"SELECT {self._key(node, identifier(column))} AS key FROM {self._file(path)}"
            for path, column in self._key_columns(node)
        ) or f"SELECT CAST(NULL AS {_KEY_TYPES[key_type]}) AS key"  # fmt: skip
        relation = f"node_{node}"
        self._create(
            relation,
            "SELECT key, row_number() OVER (ORDER BY key) - 1 AS index "
            f"FROM (SELECT DISTINCT key FROM ({named}) AS named WHERE key IS NOT NULL) AS keys",
        )
        keys = self._fetch(f"SELECT key FROM {identifier(relation)} ORDER BY index")["key"]
        return keys.cast(_ARROW_KEY_TYPES[key_type]).combine_chunks()

    def select_edges(self, name: str, edge: Edge) -> dict[str, int]:
        """Create relation ``edge_<name>`` from the valid rows of an edge type's table.

        Columns: ``source`` and ``target`` are node indices (INTEGER), ``time`` is in microseconds and ``row`` the row's
        number in its file (BIGINT), ``weight`` is a finite FLOAT above 0; ``attribute_<name>`` are as in the file. Of
        rows with equal ends and time only the first is kept. Returns the number of dropped rows, by reason.
        """
        path = self.tables / f"{edge.table}.parquet"
        used = [*edge.filter, *([edge.weight] if edge.weight else []), *edge.attributes]
        types = column_types(path, [edge.source.column, edge.target.column, edge.time, *used])
        kept, values = condition(edge.filter, types)
        attributes = {attribute_column(name): _column(name) for name in edge.attributes}
        selected, repeated = f"selected_{name}", f"repeated_{name}"
        self._create(
            selected,
            "SELECT CAST(source.index AS INTEGER) AS source, CAST(target.index AS INTEGER) AS target, "
            f"epoch_us({_column(edge.time)}) AS time, rows.file_row_number AS row, "
            f"{_float(_column(edge.weight) if edge.weight else '1')} AS weight"
            + "".join(f", {value} AS {identifier(column)}" for column, value in attributes.items())
            + f" FROM (SELECT * FROM {self._file(path)} AS rows WHERE {kept}) AS rows "
            + self._join_nodes({"source": edge.source, "target": edge.target}),
            values,
        )
        # Grouping is the most expensive step of a build; keeping only the few groups of several rows halves it.
        self._create(
            repeated,
            f"SELECT source, target, time, min(row) AS row FROM {identifier(selected)} WHERE {_VALID} "
            "GROUP BY source, target, time HAVING count(*) > 1",
        )
        columns = ", ".join(
            f"one.{identifier(column)} AS {identifier(column)}"
            for column in ("source", "target", "time", "row", "weight", *attributes)
        )
        self._create(
            f"edge_{name}",
            f"SELECT {columns} FROM (SELECT * FROM {identifier(selected)} WHERE {_VALID}) AS one "
            f"LEFT JOIN {identifier(repeated)} AS first "
            "ON one.source = first.source AND one.target = first.target AND one.time = first.time "
            "WHERE first.row IS NULL OR first.row = one.row",
        )
        no_key = "source IS NULL OR target IS NULL"
        dropped = self._row(
            f"SELECT count(*) FILTER (WHERE {no_key}) AS null_key, "
            f"count(*) FILTER (WHERE NOT ({no_key}) AND time IS NULL) AS null_time, "
            f"count(*) FILTER (WHERE {_VALID}) AS duplicate, count(*) AS bad_weight FROM {identifier(selected)}"
        )
        dropped["bad_weight"] -= dropped["null_key"] + dropped["null_time"] + dropped["duplicate"]
        dropped["duplicate"] -= self.count_edges(name).rows
        for relation in (selected, repeated):
            self.connection.drop(relation)
        return dropped

    def count_edges(self, name: str) -> EdgeCount:
        """The size of ``edge_<name>``."""
        counted = "count(*) AS edges, count(*) FILTER (WHERE weight <> 1) AS weighted"
        row = self._row(f"SELECT {counted} FROM {identifier('edge_' + name)}")
        return EdgeCount(row["edges"], row["weighted"] > 0)

    def attribute_values(self, name: str, attribute: str) -> pa.ChunkedArray:
        """The distinct values of an attribute in ``edge_<name>``."""
        column = identifier(attribute_column(attribute))
        return self._fetch(f"SELECT DISTINCT {column} AS value FROM {identifier('edge_' + name)}")["value"]

    def edge_rows(self, name: str, reverse: bool, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """One direction of ``edge_<name>`` as batches of owner, neighbour, time and ``columns``, by (owner, time, row).

        The owner is the edge type's source; in the reverse direction, its target.
        """
        owner, neighbour = ("target", "source") if reverse else ("source", "target")
        others = "".join(f", {identifier(column)}" for column in columns)
        return self._stream(
            f"SELECT owner, neighbour, time{others} FROM (SELECT {owner} AS owner, {neighbour} AS neighbour, time, "
            f"row{others} FROM {identifier('edge_' + name)}) AS directed ORDER BY owner, time, row"
        )

    def select_versions(self, node: str) -> tuple[int, dict[str, int]]:
        """Create relation ``version_<node>`` (node, time, ``feature_<name>``) if the node type has features.

        The training set's rows are merged already: one for each time at which any view changes (or expires by its TTL),
        with every view's values as of then. Of rows with equal node and time only the last in the file is kept. Returns
        the number of versions, and the number of dropped rows by reason.
        """
        names = self._feature_names(node)
        if not names:
            return 0, {}
        path, key = self.training_set / f"versions_{node}.parquet", self.spec.nodes[node].key
        column_types(path, [key, VALID_FROM, *names])
        file, valid_from = self._file(path), identifier(VALID_FROM)
        features = ", ".join(f"{_column(name)} AS {identifier('feature_' + name)}" for name in names)
        outer = ", ".join(identifier(f"feature_{name}") for name in names)
        self._create(
            f"version_{node}",
            f"SELECT node, time, {outer} FROM (SELECT *, row_number() OVER (PARTITION BY node, time ORDER BY row DESC) "
            "AS place FROM (SELECT numbered.index AS node, "
            f"epoch_us(rows.{valid_from}) AS time, rows.file_row_number AS row, {features} FROM {file} AS rows "
            f"JOIN {identifier('node_' + node)} AS numbered ON numbered.key = {self._key(node, _column(key))} "
            f"WHERE rows.{valid_from} IS NOT NULL) AS known) AS placed WHERE place = 1",
        )
        ((kept, rows, bad),) = (
            self._row(
                f"SELECT (SELECT count(*) FROM {identifier('version_' + node)}) AS kept, count(*) AS rows, "
                f"count(*) FILTER (WHERE {identifier(key)} IS NULL OR {valid_from} IS NULL) AS bad FROM {file}"
            ).values(),
        )
        return kept, {"null_key_or_time": bad, "superseded": rows - bad - kept}

    def version_rows(self, node: str) -> Iterator[pa.RecordBatch]:
        """A node type's versions as batches of node, time and ``feature_<name>``, sorted by (node, time)."""
        if not self._feature_names(node):
            return self._stream("SELECT CAST(0 AS BIGINT) AS node, CAST(0 AS BIGINT) AS time WHERE false")
        return self._stream(f"SELECT * FROM {identifier('version_' + node)} ORDER BY node, time")

    def feature_values(self, node: str, feature: str) -> pa.ChunkedArray:
        """The distinct values of a feature in a node type's versions."""
        column = identifier(f"feature_{feature}")
        return self._fetch(f"SELECT DISTINCT {column} AS value FROM {identifier('version_' + node)}")["value"]

    def seeds(self, features: Sequence[str], table: str = IMPRESSIONS) -> pa.Table:
        """A table of the training set: its impressions outside the graph window, sorted by (time, key).

        Columns: key, member and item (node indices, -1 = unknown), surface, window, time and settled (microseconds),
        ``feature_<name>`` and ``label_<task>`` (null if the task's filter excludes the row).
        """
        shown, ends = self.spec.impressions, dict(self.spec.node_columns())
        path = self.training_set / f"{table}.parquet"
        needed = [shown.key, shown.time, shown.settled, shown.surface, "window", *(e.column for e in ends.values())]
        used = [column for task in self.spec.tasks.values() for column in (task.label, *task.filter)]
        types = column_types(path, [*needed, *features, *used])
        columns, values = [f"{_column(name)} AS {identifier('feature_' + name)}" for name in features], []
        for name, task in self.spec.tasks.items():
            kept, kept_values = condition(task.filter, types)
            columns.append(
                f"CASE WHEN {kept} THEN CAST({_column(task.label)} AS FLOAT) END AS {identifier('label_' + name)}"
            )
            values += kept_values
        return self._fetch(
            f"SELECT {_column(shown.key)} AS key, coalesce(member.index, -1) AS member, "
            f'coalesce(item.index, -1) AS item, {_column(shown.surface)} AS surface, rows."window" AS "window", '
            f"epoch_us({_column(shown.time)}) AS time, epoch_us({_column(shown.settled)}) AS settled, "
            f"{', '.join(columns)} FROM {self._file(path)} AS rows {self._join_nodes(ends)} "
            f"WHERE rows.\"window\" <> 'graph' ORDER BY {_column(shown.time)}, {_column(shown.key)}",
            values,
        )

    def frozen_seeds(self, features: Sequence[str], table: str = FROZEN) -> pa.Table:
        """The training set's frozen rows (or those of ``TWINS``): key, ``frozen_time`` in microseconds, features."""
        key, path = self.spec.impressions.key, self.training_set / f"{table}.parquet"
        column_types(path, [key, FROZEN_TIME, *features])
        columns = "".join(f", {_column(name)} AS {identifier('feature_' + name)}" for name in features)
        return self._fetch(
            f"SELECT {_column(key)} AS key, epoch_us({_column(FROZEN_TIME)}) AS {identifier(FROZEN_TIME)}"
            f"{columns} FROM {self._file(path)} AS rows"
        )

    def _key_columns(self, node: str) -> list[tuple[Path, str]]:
        """Every (file, column) with keys of a node type."""
        found = []
        if node_features(self.spec, node):
            found.append((self.training_set / f"versions_{node}.parquet", self.spec.nodes[node].key))
        for edge in self.spec.active_edges().values():
            path = self.tables / f"{edge.table}.parquet"
            found += [(path, end.column) for end in (edge.source, edge.target) if end.node == node]
        path = self.training_set / f"{IMPRESSIONS}.parquet"
        found += [(path, end.column) for _, end in self.spec.node_columns() if end.node == node]
        for path, column in found:
            check_keys(path, column, self.spec.nodes[node].key_type)
        return list(dict.fromkeys(found))

    def _feature_names(self, node: str) -> list[str]:
        return [feature.name for feature in node_features(self.spec, node)]

    def _join_nodes(self, ends: Mapping[str, EdgeEnd | Column]) -> str:
        """Joins of ``rows`` with the numbered nodes at each end, by the name of the end."""
        return " ".join(
            f"LEFT JOIN {identifier('node_' + end.node)} AS {name} "
            f"ON {name}.key = {self._key(end.node, _column(end.column))}"
            for name, end in ends.items()
        )

    def _key(self, node: str, column: str) -> str:
        return f"CAST({column} AS {_KEY_TYPES[self.spec.nodes[node].key_type]})"

    def _file(self, path: Path) -> str:
        """The name of the file's relation, which is registered at the first call."""
        if path not in self._registered:
            name = f"{'table' if path.parent == self.tables else 'training'}_{path.stem}"
            with self._input_errors():
                self.connection.register(name, path)
            self._registered[path] = name
        return identifier(self._registered[path])

    def _create(self, name: str, statement: str, values: Values = ()) -> None:
        with self._input_errors():
            self.connection.create(name, statement, values)

    def _fetch(self, statement: str, values: Values = ()) -> pa.Table:
        with self._input_errors():
            return self.connection.fetch(statement, values)

    def _stream(self, statement: str) -> Iterator[pa.RecordBatch]:
        with self._input_errors():
            yield from self.connection.stream(statement)

    def _row(self, statement: str) -> dict[str, int]:
        """The single row of a statement that returns whole numbers."""
        (row,) = self._fetch(statement).to_pylist()
        return {name: int(value) for name, value in row.items()}

    @contextmanager
    def _input_errors(self) -> Iterator[None]:
        """Raise GraphInputError for statements that the engine rejects."""
        try:
            yield
        except StatementError as error:
            raise GraphInputError(
                f"{self.tables}, {self.training_set}: expected tables that fit the spec; found {error}. "
                "Run the steps before (ingest, retrieve) again"
            ) from error


def _column(name: str) -> str:
    """A column of the relation ``rows``."""
    return identifier(name, "rows")


def attribute_column(attribute: str) -> str:
    """The column of an attribute in the relation of its edge type."""
    return f"attribute_{attribute}"


def _float(value: str) -> str:
    """A finite weight above 0 as FLOAT, else NULL: engines cast too large values differently. NaN sorts above all."""
    weight = f"CAST({value} AS DOUBLE)"
    return f"CASE WHEN {weight} > 0 AND {weight} <= {_LARGEST!r} THEN CAST({weight} AS FLOAT) END"
