"""Vectors of members and items into the pushed views."""

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.applied import pushed_folder
from feature_repo.errors import PushError
from feature_repo.pushed import (
    PUSHED_AT,
    TIMESTAMP,
    keep_previous,
    previous_file,
    vector_schema,
    versions_of,
    write_pushed,
)
from models.features import ITEM_VECTORS, MEMBER_VECTORS
from models.spec import Spec

_log = logging.getLogger(__name__)
_FILES = {MEMBER_VECTORS: "member.parquet", ITEM_VECTORS: "item.parquet"}
_CHUNK = 1_000
"""Rows that are replaced at once."""


def push(store: Any, spec: Spec, vectors: Path, version: str, state: Path) -> dict[str, int]:
    """Push a folder of vectors (``member.parquet``, ``item.parquet``) as those of model ``version``; rows per view.

    The view's Parquet file under ``state`` is replaced in one step, then the online store is written; pushing the same
    folder again changes nothing. Vectors of another version that were there are kept for ``restore`` until ``settle``.
    Raises PushError before anything is written if a file cannot be used.
    """
    tables = {view: _read(spec, vectors / file, view, version) for view, file in _FILES.items()}
    for view in tables:
        keep_previous(pushed_folder(state), view, version)
    for view, table in tables.items():
        _write(store, view, table, state)
    return {view: table.num_rows for view, table in tables.items()}


def restore(store: Any, spec: Spec, state: Path) -> dict[str, int]:
    """Put back, in file and online store, the vectors that pushes since the last ``settle`` replaced; rows per view.

    What no push replaced, or what has other columns than the spec's by now, is left as it is. A kill in between loses
    nothing: restore again.
    """
    rows = {}
    for view in _FILES:
        previous = previous_file(pushed_folder(state), view)
        if not previous.is_file():
            continue
        table = pq.read_table(previous)
        if table.schema.equals(vector_schema(spec, view)):
            _write(store, view, table, state)
            rows[view] = table.num_rows
        previous.unlink()
    return rows


def settle(state: Path) -> None:
    """The pushed vectors are those that the endpoint serves now: what they replaced is not kept any longer."""
    for view in _FILES:
        previous_file(pushed_folder(state), view).unlink(missing_ok=True)


def check_pushed(state: Path, version: str) -> None:
    """Raise PushError where the vectors in the store are another version's: the model would answer everybody cold."""
    for view in _FILES:
        found = versions_of(pushed_folder(state) / f"{view}.parquet", view)
        if found - {version}:
            raise PushError(
                f"{view}: expected vectors of version {version}; found those of version {', '.join(sorted(found))}. "
                "Push the version's vectors first"
            )


def pushed_until(state: Path) -> int:
    """The moment that the pushed vectors hold for, microseconds UTC: later requests see them. 0 if there are none."""
    files = [pushed_folder(state) / f"{view}.parquet" for view in _FILES]
    moments = [pq.read_table(file, columns=[PUSHED_AT])[PUSHED_AT].cast(pa.int64()) for file in files]
    return max(pc.max(column).as_py() or 0 for column in moments)


def _write(store: Any, view: str, table: pa.Table, state: Path) -> None:
    """A view's rows into its file, then into the online store: also over rows that hold for a later moment."""
    from feature_repo.stores.online.bulk import rows_of
    from feature_repo.stores.online.keys import row_keys
    from feature_repo.stores.online.layout import layout_of
    from feature_repo.stores.online.packed import pack

    started = time.monotonic()
    write_pushed(table, pushed_folder(state), view)
    layout, rows = layout_of(store.get_feature_view(view)), rows_of(store)
    for start in range(0, table.num_rows, _CHUNK):
        some = table.slice(start, _CHUNK)
        rows.change(row_keys(store.project, layout, some), partial(_instead, pack(layout, some, PUSHED_AT)))
    _log.info("pushed %s: %d rows in %.1f s", view, table.num_rows, time.monotonic() - started)


def _instead(packed: list[bytes], stored: list[bytes | None]) -> list[bytes | None]:
    """The new rows, whatever is stored."""
    return [*packed]


def _read(spec: Spec, file: Path, view: str, version: str) -> pa.Table:
    """A file of vectors in the schema of its view."""
    if not file.is_file():
        raise PushError(f"{file}: expected the vectors of view {view}; found no such file. Run the embed step first")
    table = pq.read_table(file)
    schema = vector_schema(spec, view)
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
    twice = result.num_rows - len(pc.unique(result.column(0)))
    if twice:
        raise PushError(f"{file}: expected one row per key; found {twice} keys that stand again")
    return result


def _cast(column: pa.ChunkedArray, name: str, field: pa.Field, file: Path) -> pa.ChunkedArray:
    """A column in its view's type; a moment may be int64 microseconds or a timestamp. Nulls are errors."""
    if column.null_count:
        raise PushError(f"{file}: expected no nulls in {name}; found {column.null_count}")
    if field.name == PUSHED_AT and pa.types.is_integer(column.type):
        return column.cast(TIMESTAMP)
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise PushError(f"{file}: expected {field.type} in {name}; found {column.type}") from error
