"""Write the tables of every collaborative block: rows of all needed snapshots, oldest first."""

import logging
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.collaborative.cuts import Cut, needed_cuts
from feature_repo.collaborative.events import Events
from feature_repo.collaborative.kept import KeptSnapshots
from feature_repo.collaborative.rows import item_rows, item_schema, member_rows, member_schema
from feature_repo.collaborative.snapshot import fit
from models.collaborative.plan import CollaborativePlan, collaborative_table
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans

_log = logging.getLogger(__name__)
_MEMORY = "4GB"
"""DuckDB's memory for the events of a block."""


def snapshots(spec: Spec, tables: Path, folder: Path, end: int, kept: str | None = None) -> list[str]:
    """Write the members' and the items' table of every block into ``folder``; return the tables' names.

    ``tables`` holds the tables of the blocks' events and the impressions as Parquet; ``end``: the time of the newest
    row, microseconds UTC. ``kept``: the address below which fitted snapshots are kept from one ingest to the next.
    The same input gives the same bytes on the same machine. Raises SnapshotError.
    """
    store, written = KeptSnapshots(kept), list[str]()
    for name, plan in collaborative_plans(spec).items():
        with TemporaryDirectory() as spilled, duckdb.connect(config=_bounds(spilled)) as connection:
            events = Events(connection, spec, name, tables)
            written += write_block(plan, events, needed_cuts(spec, plan.delay, end), store, folder)
    store.remove_unused()
    if written:
        _log.info("collaborative snapshots: %d fitted, %d unchanged", store.fitted, store.reused)
    return written


def _bounds(spilled: str) -> dict[str, str | bool | int | float | list[str]]:
    """Settings of DuckDB: what does not fit goes to a folder on disk."""
    return {"memory_limit": _MEMORY, "temp_directory": spilled}


def write_block(
    plan: CollaborativePlan, events: Events, cuts: list[Cut], store: KeptSnapshots, folder: Path
) -> tuple[str, str]:
    """Write the two tables of one block, cut by cut, so that one snapshot at a time is in memory; return their names.

    Raises SnapshotError.
    """
    member_kind, item_kind = events.key_types
    names = collaborative_table(plan.member_view), collaborative_table(plan.item_view)
    schemas = member_schema(plan, member_kind), item_schema(plan, item_kind)
    with ExitStack() as stack:
        members, items = (
            stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd"))
            for name, schema in zip(names, schemas, strict=True)
        )
        for cut in cuts:
            _write_cut(plan, events, cut, store, (members, items))
    return names


def _write_cut(
    plan: CollaborativePlan,
    events: Events,
    cut: Cut,
    store: KeptSnapshots,
    writers: tuple[pq.ParquetWriter, pq.ParquetWriter],
) -> None:
    started = time.monotonic()
    pairs = events.before(cut.cut)
    if not len(pairs.outcome):
        return
    snapshot = store.snapshot(plan, pairs, lambda: fit(plan, pairs))
    shown: pa.Array | None = None if cut.last is None else events.shown(cut.first, cut.last)
    members, items = writers
    items.write_table(item_rows(plan, cut.cut, pairs, snapshot))
    rows = 0
    for batch in member_rows(plan, cut.cut, pairs, snapshot, shown):
        members.write_table(batch)
        rows += batch.num_rows
    seconds = time.monotonic() - started
    _log.info(
        "%s: %d pairs, %d items, %d members in %.1f s", plan.name, len(pairs.item), len(pairs.items), rows, seconds
    )
