"""Events of a block out of the canonical tables, and the pairs of member and item that a cut sees."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.filters import condition
from models.graph.hashing import hash_keys
from models.parquet import check_column_names, parquet_source
from models.spec import Spec
from models.sql import identifier

_EVENTS = "events"
_CHUNK = 500_000


@dataclass(frozen=True)
class Pairs:
    """P pairs of a member and an item with events before a cut, by (member, item); keys ascend."""

    members: pa.Array
    """(M,) keys."""
    items: pa.Array
    """(I,) keys."""
    member: np.ndarray
    """(P,) int32 positions in ``members``, ascending."""
    item: np.ndarray
    """(P,) int32 positions in ``items``."""
    outcome: np.ndarray
    """(P,) float32, the share of the pair's events that are positive."""
    positive: np.ndarray
    """(P,) bool, whether any of them is."""

    @cached_property
    def item_hashes(self) -> np.ndarray:
        """(I,) int64."""
        return hash_keys(self.items)

    def where(self, kept: np.ndarray) -> "Pairs":
        """The pairs for which ``kept``, (P,) bool, is true, with the same keys."""
        columns = {name: getattr(self, name)[kept] for name in ("member", "item", "outcome", "positive")}
        return replace(self, **columns)

    def of_members(self, members: pa.Array) -> "Pairs":
        """The pairs of these members; keys that have none are left out."""
        wanted = pc.is_in(self.members, value_set=members)
        number = np.cumsum(known := wanted.to_numpy(zero_copy_only=False), dtype=np.int32) - 1
        own = self.where(known[self.member])
        return replace(own, members=self.members.filter(wanted), member=number[own.member].astype(np.int32))

    @property
    def digest(self) -> str:
        """Digest of the content."""
        found = hashlib.sha256()
        for values in (hash_keys(self.members), self.item_hashes, self.member, self.item, self.outcome, self.positive):
            found.update(f"{values.dtype} {len(values)}\n".encode())
            found.update(np.ascontiguousarray(values).data)
        return found.hexdigest()


class Events:
    """The events of one block in DuckDB. Close it by leaving its connection's block."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, spec: Spec, name: str, tables: Path) -> None:
        """Read them from the Parquet files of the block's edge types; rows without a key or a time are no events.

        A row of a table is one event, however many edge types hold of it: from the first of their times on, positive
        from the first time of a positive one.
        """
        self._connection, self._spec, self._tables = connection, spec, tables
        block = spec.collaborative[name]
        self._history = block.history
        parts, values = [], []
        groups: dict[tuple[str, str, str], list[str]] = {}
        for event in block.events:
            edge = spec.edges[event]
            groups.setdefault((edge.table, edge.source.column, edge.target.column), []).append(event)
        for events in groups.values():
            part, given = _of_rows(spec, events, block.outcome, tables)
            parts.append(part)
            values += given
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_EVENTS} AS {' UNION ALL '.join(parts)}", values)

    def before(self, cut: int) -> Pairs:
        """The pairs with events strictly before a cut (microseconds UTC): of a member those of its newest events."""
        reader = self._connection.sql(
            "SELECT member, item, CAST(positives / total AS FLOAT) AS outcome, positives > 0 AS positive FROM ("
            "SELECT member, item, count(*) FILTER (positive_time < ?) AS positives, count(*) AS total "
            f"FROM {_EVENTS} WHERE time < ? GROUP BY member, item "
            "QUALIFY row_number() OVER (PARTITION BY member ORDER BY max(time) DESC, item) <= ?"
            ") ORDER BY member, item",
            params=[cut, cut, self._history],
        ).to_arrow_reader(_CHUNK)
        return _pairs(reader, self.key_types)

    def shown(self, first: int, last: int) -> pa.Array:
        """Keys of the members with an impression from ``first`` to before ``last`` (microseconds UTC)."""
        shown = self._spec.impressions
        source = parquet_source(self._tables / f"{shown.table}.parquet")
        time, member = identifier(shown.time, "rows"), identifier(shown.member.column, "rows")
        found = self._connection.sql(
            f"SELECT DISTINCT {member} AS member FROM {source} AS rows "
            f"WHERE epoch_us({time}) >= ? AND epoch_us({time}) < ?",
            params=[first, last],
        ).to_arrow_table()
        return found["member"].cast(self.key_types[0]).combine_chunks()

    @property
    def key_types(self) -> list[pa.DataType]:
        """Arrow types of the keys of member and item."""
        kinds = {"int": pa.int64(), "string": pa.string()}
        return [kinds[self._spec.nodes[column.node].key_type] for _, column in self._spec.node_columns()]


def _of_rows(spec: Spec, events: list[str], outcome: list[str], tables: Path) -> tuple[str, list[Any]]:
    """SQL for the events of edge types of the same columns of one table, and the values of its placeholders."""
    edge = spec.edges[events[0]]
    path = tables / f"{edge.table}.parquet"
    schema = pq.read_schema(path)
    check_column_names(path, schema.names)
    times, values = [], []
    for number, event in enumerate(events):
        kept, given = condition(spec.edges[event].filter, {field.name: field.type for field in schema})
        time = identifier(str(spec.edges[event].time), "rows")
        times.append(f"CASE WHEN {kept} THEN epoch_us({time}) END AS time{number}")
        values += given
    every = [f"time{number}" for number in range(len(events))]
    liked = [time for time, event in zip(every, events, strict=True) if event in outcome]
    positive = f"least({', '.join(liked)})" if liked else "NULL"
    member, item = (identifier(column, "rows") for column in (edge.source.column, edge.target.column))
    found = (
        f"SELECT member, item, least({', '.join(every)}) AS time, "
        f"CAST({positive} AS BIGINT) AS positive_time FROM ("
        f"SELECT {member} AS member, {item} AS item, {', '.join(times)} FROM {parquet_source(path)} AS rows "
        f"WHERE {member} IS NOT NULL AND {item} IS NOT NULL) WHERE coalesce({', '.join(every)}) IS NOT NULL"
    )
    return found, values


def _pairs(batches: Iterator[pa.RecordBatch], kinds: list[pa.DataType]) -> Pairs:
    """Number the keys chunk by chunk, so that keys of text are never in memory once per pair."""
    coded: dict[str, list[np.ndarray]] = {"member": [], "item": []}
    known = {name: pa.array([], kind) for name, kind in zip(coded, kinds, strict=True)}
    outcome, positive = [np.zeros(0, np.float32)], [np.zeros(0, bool)]
    for batch in batches:
        for name, codes in coded.items():
            values = batch[name].cast(known[name].type)
            known[name] = pc.unique(pa.concat_arrays([known[name], pc.unique(values)]))
            codes.append(pc.index_in(values, known[name]).to_numpy(zero_copy_only=False).astype(np.int32))
        outcome.append(batch["outcome"].to_numpy())
        positive.append(batch["positive"].to_numpy(zero_copy_only=False))
    none = [np.zeros(0, np.int32)]
    order = pc.array_sort_indices(known["item"])
    rank = np.zeros(len(order), np.int32)
    rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    return Pairs(
        members=known["member"],
        items=known["item"].take(order),
        member=np.concatenate(coded["member"] or none),
        item=rank[np.concatenate(coded["item"] or none)],
        outcome=np.concatenate(outcome),
        positive=np.concatenate(positive),
    )
