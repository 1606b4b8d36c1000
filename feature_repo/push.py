"""Push vectors of members and items into the vector views. Two versions fit side by side, one per slot."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.applied import pushed_folder
from feature_repo.packed.keys import row_keys
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import pack
from feature_repo.views.pushed import PUSHED_AT, vector_schema, vectors_file, version_in, write_pushed
from feature_repo.views.times import TIMESTAMP, column_microseconds
from models.clock import bound, latest, readable
from models.features import ITEM_VECTORS, MEMBER_VECTORS, SLOTS, vector_view
from models.spec import Spec

_log = logging.getLogger(__name__)
_FILES = {MEMBER_VECTORS: "member.parquet", ITEM_VECTORS: "item.parquet"}
_CHUNK = 1_000
"""Rows replaced in one atomic change."""


class PushError(ValueError):
    """Raised when vectors cannot be pushed: a file or column is missing, a key is duplicated, or no slot is free."""


class PushResult(dict[str, int]):
    """Rows by view."""

    def __init__(self, rows: Mapping[str, int], until: int, before: int) -> None:
        super().__init__(rows)
        self.until = until
        """The time up to which the vectors know events, microseconds UTC; 0 without rows."""
        self.older: str | None = None
        """What is lost, if the vectors that serve, or those of the same version, knew later events."""
        if until < before:
            self.older = (
                f"the vectors know events until {readable(until)} only; those before knew events until "
                f"{readable(before)}. Unless that is intended, run the pipeline refresh on the newest data"
            )


def push(store: Any, spec: Spec, vectors: Path, version: str, state: Path, served: Collection[str] = ()) -> PushResult:
    """Push a folder of vectors (``member.parquet``, ``item.parquet``) for model ``version``; return the rows per view.

    They go to the slot that already holds this version, else to a slot whose version is not among ``served``. A view's
    Parquet file under ``state`` is replaced atomically, then the online store is written. Pushing the same folder again
    changes nothing. Vectors of older data than those of this version, or of one among ``served``, are pushed too; the
    result and the log say so. Raises PushError, before anything is written, if a file cannot be used or no slot is
    free.
    """
    tables = {kind: _read(spec, vectors / file, kind, version) for kind, file in _FILES.items()}
    slot = _slot_for(pushed_folder(state), version, served)
    before = max(pushed_until(state, one) for one in {version, *served})
    rows = {vector_view(kind, slot): table.num_rows for kind, table in tables.items()}
    result = PushResult(rows, _until(tables.values()), before)
    if result.older:
        _log.warning("version %s: %s", version, result.older)
    for kind, table in tables.items():
        _write(store, vector_view(kind, slot), table, state)
    return result


def slot_of(state: Path, version: str) -> str | None:
    """The slot with all vectors of a version; None if they were never pushed or have been replaced."""
    return next((slot for slot in SLOTS if version_in(pushed_folder(state), slot) == version), None)


def check_pushed(state: Path, version: str) -> None:
    """Raise PushError if the vectors of a version are not in the store: it would treat every member as new."""
    if slot_of(state, version) is None:
        found = {slot: version_in(pushed_folder(state), slot) or "none" for slot in SLOTS}
        raise PushError(
            f"vectors: expected those of version {version}; found "
            f"{', '.join(f'{held} ({slot})' for slot, held in found.items())}. Push the version's vectors first"
        )


def pushed_until(state: Path, version: str) -> int:
    """The time up to which a version's vectors know events, microseconds UTC; later requests see them. 0 if none."""
    slot = slot_of(state, version)
    if slot is None:
        return 0
    files = [vectors_file(pushed_folder(state), kind, slot) for kind in _FILES]
    return _until(pq.read_table(file, columns=[PUSHED_AT]) for file in files)


def _until(tables: Iterable[pa.Table]) -> int:
    """The latest as-of time of vectors, microseconds UTC; 0 without rows."""
    return max(pc.max(column_microseconds(table[PUSHED_AT])).as_py() or 0 for table in tables)


def _slot_for(pushed: Path, version: str, served: Collection[str]) -> str:
    """The slot for a version: its own, else an empty one, else one that is not serving."""
    held = {slot: version_in(pushed, slot) for slot in SLOTS}
    if version in held.values():
        return next(slot for slot in SLOTS if held[slot] == version)
    free = [slot for slot in SLOTS if held[slot] not in served]
    if not free:
        raise PushError(
            f"vectors: expected a free slot for version {version}; found all taken by serving versions "
            f"({', '.join(str(one) for one in held.values())}). Promote the canary or roll it back first"
        )
    return min(free, key=lambda slot: held[slot] is not None)


def _write(store: Any, view: str, table: pa.Table, state: Path) -> None:
    """Write a view's rows to its file, then to the online store, where they replace even rows of a later time."""
    from feature_repo.stores.online.bulk import rows_of

    started = time.monotonic()
    write_pushed(table, pushed_folder(state), view)
    layout, rows = layout_of(store.get_feature_view(view)), rows_of(store)
    for start in range(0, table.num_rows, _CHUNK):
        some = table.slice(start, _CHUNK)
        rows.change(row_keys(store.project, layout, some), partial(_replacement, pack(layout, some, PUSHED_AT)))
    _log.info("pushed %s: %d rows in %.1f s", view, table.num_rows, time.monotonic() - started)


def _replacement(packed: list[bytes], stored: list[bytes | None]) -> list[bytes | None]:
    """The new rows, regardless of the stored ones."""
    return [*packed]


def _read(spec: Spec, file: Path, kind: str, version: str) -> pa.Table:
    """Read a file of vectors in the schema of its views."""
    if not file.is_file():
        raise PushError(f"{file}: expected {kind}; found no such file. Run the embed step first")
    table = pq.read_table(file)
    schema = vector_schema(spec, kind)
    columns: dict[str, Any] = {}
    for field in schema:
        if field.name.endswith("_model_version"):
            columns[field.name] = pa.array([version] * table.num_rows, pa.string())
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
