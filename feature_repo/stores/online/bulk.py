"""Arrow tables into the online store, without a Python object a value."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.online.keys import row_keys
from feature_repo.stores.online.layout import layout_of
from feature_repo.stores.online.packed import pack
from feature_repo.stores.online.rows import RowStore
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
    """Write the rows of a table, which has the view's join keys and features and the named columns of moments.

    The store is Feast's; ``flags`` as in ``packed``; ``progress`` gets the rows of each chunk once written. Returns how
    many rows there were: one that is older than the store's counts too. A stored row ahead of the clock is replaced
    whatever its time. Killed half-way, run it again. Raises
    RowInputError for a column that does not fit, UnsupportedError for an online store that is not one of ours.
    """
    layout, rows, end = layout_of(view), rows_of(store), latest()
    for start in range(0, table.num_rows, CHUNK):
        some = table.slice(start, CHUNK)
        keys = row_keys(store.project, layout, some)
        rows.write_newest(list(zip(keys, pack(layout, some, event, created, flags), strict=True)), end)
        if progress:
            progress(some.num_rows)
    return int(table.num_rows)


def rows_of(store: Any) -> RowStore:
    """The packed rows under a FeatureStore; raises UnsupportedError if its online store is not one of ours."""
    from feature_repo.stores.online.store import PackedOnlineStore

    online = store.provider.online_store
    if not isinstance(online, PackedOnlineStore):
        raise UnsupportedError(
            f"online store {type(online).__name__}: expected one of feature_repo.stores.online. Configure "
            "PackedSqliteOnlineStore or PackedRedisOnlineStore in feature_store.yaml"
        )
    return online.rows(store.config)
