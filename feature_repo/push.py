"""Push vectors of members and items into the vector views of the slot that ``feature_repo.slots`` gives them."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.lease import Lease
from feature_repo.packed.keys import row_keys
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import pack
from feature_repo.slots import (
    Claim,
    PushError,
    Vectors,
    change_rows,
    check_pushed,
    claim,
    finish,
    pushed_until,
    read_slots,
    slot_of,
)
from feature_repo.views.pushed import PUSHED_AT, folder_of, vector_schema, write_pushed
from feature_repo.views.times import TIMESTAMP, column_microseconds
from models.clock import bound, latest, readable
from models.features import ITEM_VECTORS, MEMBER_VECTORS, vector_view
from models.files import sha256_of_file, sha256_of_json
from models.spec import Spec

__all__ = ["PushError", "PushResult", "check_pushed", "push", "pushed_until", "slot_of"]

_log = logging.getLogger(__name__)
_FILES = {MEMBER_VECTORS: "member.parquet", ITEM_VECTORS: "item.parquet"}
_CHUNK = 1_000
"""Rows replaced in one atomic change."""


class PushResult(dict[str, int]):
    """Rows written, by view; none if the store held these vectors already."""

    def __init__(self, rows: Mapping[str, int], slot: str, until: int, before: int) -> None:
        super().__init__(rows)
        self.slot = slot
        """Where the version's vectors lie now."""
        self.until = until
        """The time up to which the vectors know events, microseconds UTC; 0 without rows."""
        self.older: str | None = None
        """What is lost, if the vectors that serve, or those of the same version, knew later events."""
        if until < before:
            self.older = (
                f"the vectors know events until {readable(until)} only; those before knew events until "
                f"{readable(before)}. Unless that is intended, run the pipeline refresh on the newest data"
            )


def push(
    store: Any,
    spec: Spec,
    vectors: Path,
    version: str,
    encoder: str,
    served: Collection[str] = (),
    lease: Lease | None = None,
) -> PushResult:
    """Push a folder of vectors (``member.parquet``, ``item.parquet``) for model ``version``; return what was written.

    ``encoder`` is the digest of the weights that made them (``models.training.encoder``). Versions of one encoder share
    a slot; nothing is written for vectors that it holds already. Otherwise they go to a slot that holds none of the
    versions among ``served``, which holds nothing until all is written: first a view's Parquet file, then its online
    rows, last the slot table. Every write checks that the slot, and ``lease`` if given, is still this push's.

    Vectors of forgotten members are left out. Vectors of older data than those of this version, or of one among
    ``served``, are pushed too; the result and the log say so. Raises PushError, before anything is written, if a file
    cannot be used or no slot is free; LeaseError or PushError if another run takes lease or slot meanwhile.
    """
    tables = {kind: _read(spec, vectors / file, kind, encoder) for kind, file in _FILES.items()}
    brought = Vectors(version, encoder, _until(tables.values()), _content(vectors))
    slots = read_slots(store).values()
    before = max((slot.until for slot in slots if {version, *served} & set(slot.versions)), default=0)
    claimed = claim(store, brought, served, lease)
    if not claimed.writer:
        until = pushed_until(store, version)
        _log.info("version %s: slot %s holds its vectors already", version, claimed.slot)
        return PushResult({}, claimed.slot, until, until)
    rows = {vector_view(kind, claimed.slot): table.num_rows for kind, table in tables.items()}
    result = PushResult(rows, claimed.slot, brought.until, before)
    if result.older:
        _log.warning("version %s: %s", version, result.older)
    for kind, table in tables.items():
        _write(store, vector_view(kind, claimed.slot), table, claimed)
    finish(store, claimed)
    return result


def _content(vectors: Path) -> str:
    """Digest of the pushed files."""
    return sha256_of_json({file: sha256_of_file(vectors / file) for file in _FILES.values()})


def _until(tables: Iterable[pa.Table]) -> int:
    """The latest as-of time of vectors, microseconds UTC; 0 without rows."""
    return max(pc.max(column_microseconds(table[PUSHED_AT])).as_py() or 0 for table in tables)


def _write(store: Any, name: str, table: pa.Table, claimed: Claim) -> None:
    """Write a view's rows to its file, then to the online store, where they replace even rows of a later time."""
    from feature_repo.stores.online.bulk import left_online

    started = time.monotonic()
    view = store.get_feature_view(name)
    layout = layout_of(view)
    write_pushed(left_online(store, layout, table), folder_of(view.batch_source.path), name)
    for start in range(0, table.num_rows, _CHUNK):
        some = left_online(store, layout, table.slice(start, _CHUNK))
        change_rows(store, claimed, row_keys(store.project, layout, some), pack(layout, some, PUSHED_AT))
    _log.info("pushed %s: %d rows in %.1f s", name, table.num_rows, time.monotonic() - started)


def _read(spec: Spec, file: Path, kind: str, encoder: str) -> pa.Table:
    """Read a file of vectors in the schema of its views."""
    if not file.is_file():
        raise PushError(f"{file}: expected {kind}; found no such file. Run the embed step first")
    table = pq.read_table(file)
    schema = vector_schema(spec, kind)
    columns: dict[str, Any] = {}
    for field in schema:
        if field.name.endswith("_encoder"):
            columns[field.name] = pa.array([encoder] * table.num_rows, pa.string())
            continue
        name = "key" if field.name == schema.names[0] else field.name
        if name not in table.column_names:
            raise PushError(f"{file}: expected column {name}; found {', '.join(table.column_names)}")
        columns[field.name] = _cast(table[name], name, field, file)
    result = pa.table(columns, schema=schema)
    duplicates = result.num_rows - len(pc.unique(result.column(0)))
    if duplicates:
        raise PushError(f"{file}: expected one row per key; found {duplicates} duplicate keys")
    return result


def _cast(column: pa.ChunkedArray, name: str, field: pa.Field, file: Path) -> pa.ChunkedArray:
    """A column in its view's type; a time may be int64 microseconds or a timestamp. Raises PushError for nulls."""
    if column.null_count:
        raise PushError(f"{file}: expected no nulls in {name}; found {column.null_count}")
    try:
        cast = column.cast(TIMESTAMP if field.name == PUSHED_AT else field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PushError(f"{file}: expected {field.type} in {name}; found {column.type}") from error
    if field.name == PUSHED_AT:
        last = pc.max(column_microseconds(cast)).as_py()
        if last is not None and last > latest():
            raise PushError(f"{file}: expected {bound()} in {name}; found {readable(last)}")
    return cast
