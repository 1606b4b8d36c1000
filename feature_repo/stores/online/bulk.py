"""Bulk writes: Arrow tables into the online store, without a Python object per value."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from feature_repo import forgotten
from feature_repo.packed.keys import row_keys
from feature_repo.packed.layout import Layout, layout_of
from feature_repo.packed.pack import pack
from feature_repo.packed.rows import RowStore
from feature_repo.stores.errors import UnsupportedError
from models.clock import latest

CHUNK = 10_000
"""Rows packed and written at once."""


def write_table(
    store: Any,
    view: Any,
    table: pa.Table,
    event: str,
    created: str | None = None,
    flags: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> int:
    """Write a table with the view's join keys, features and time columns ``event`` and ``created``; return its rows.

    ``store`` is a FeatureStore; ``flags`` as in ``packed.pack``; ``progress`` receives the rows of each written chunk.
    Rows of forgotten members, and rows older than the stored ones, are skipped but counted; a stored row ahead of the
    clock is always replaced. After a kill, run it again. Raises RowInputError for a column that does not fit,
    UnsupportedError for another online store.
    """
    layout, rows, end = layout_of(view), rows_of(store), latest()
    for start in range(0, table.num_rows, CHUNK):
        given = table.slice(start, CHUNK)
        some = left_online(store, layout, given)
        keys = row_keys(store.project, layout, some)
        rows.write_newest(list(zip(keys, pack(layout, some, event, created, flags), strict=True)), end)
        if progress:
            progress(given.num_rows)
    return int(table.num_rows)


def left_online(store: Any, layout: Layout, table: pa.Table) -> pa.Table:
    """The rows of a view's table without those of forgotten members (``feature_repo.forgotten``)."""
    return forgotten.left_online(rows_of(store), store.project, layout, table)


def rows_of(store: Any) -> RowStore:
    """The packed rows of a FeatureStore. Raises UnsupportedError if its online store is not one of this package."""
    from feature_repo.stores.online.store import PackedOnlineStore

    online = store.provider.online_store
    if not isinstance(online, PackedOnlineStore):
        raise UnsupportedError(
            f"online store {type(online).__name__}: expected one of feature_repo.stores.online. Configure "
            "PackedSqliteOnlineStore or PackedRedisOnlineStore in feature_store.yaml"
        )
    return online.rows(store.config)
