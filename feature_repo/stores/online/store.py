"""Feast's online store over packed rows, for any ``RowStore``."""

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from feast import Entity, FeatureView, RepoConfig
from feast.errors import FeastError
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from feature_repo.forgotten import Forgotten, forgotten_in
from feature_repo.packed.keys import row_key, view_prefix
from feature_repo.packed.layout import Layout, layout_of
from feature_repo.packed.pack import pack, unpack
from feature_repo.packed.rows import RowStore
from feature_repo.stores.errors import RowInputError
from feature_repo.stores.online.protos import CREATED, EVENT, events_of, key_values, table_of, values_of
from feature_repo.stream.apply import apply_events
from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import TAG
from models.clock import bound, latest, readable
from models.time_units import moment

Data = list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]]
ReadResult = list[tuple[datetime | None, dict[str, Value] | None]]


class RefusedRowsError(RowInputError, FeastError):
    """Raised for rows that cannot be written; Feast's feature server responds 422. Nothing was written."""

    def http_status_code(self) -> int:
        """HTTP status of the feature server's response."""
        return 422


class PackedOnlineStore(OnlineStore):
    """One packed row per entity and view: one read, one write.

    A row replaces the stored one unless that is later by (event time, created time). Values keep the types that the
    view declares. Raises RowInputError for a value of another type, UnsupportedError for a view with a type that cannot
    be packed, and RefusedRowsError for rows ahead of the clock (``models.clock``), which would stay the newest.
    """

    def __init__(self) -> None:
        self._rows: RowStore | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def connect(self, config: RepoConfig) -> RowStore:
        """Open the configured row store."""

    def rows(self, config: RepoConfig) -> RowStore:
        """The row store behind this store; connected once."""
        with self._lock:
            if self._rows is None:
                self._rows = self.connect(config)
            return self._rows

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Reads and writes run in a thread."""
        return SupportedAsyncMethods(read=True, write=True)

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: Data, progress: Callable[[int], Any] | None
    ) -> None:
        """Write rows; rows of a view with a stream plan also update counters and last activities.

        Rows of forgotten members are left out. ``progress`` receives the number of rows.
        """
        layout, rows, given = layout_of(table), self.rows(config), len(data)
        data = _without_forgotten(forgotten_in(rows, config.project), layout, data)
        keys = [row_key(config.project, table.name, key_values(layout, key)) for key, *_ in data]
        columns = table_of(layout, data)
        packed = pack(layout, columns, EVENT, CREATED)
        plan = table.tags.get(TAG)
        if plan is None:
            _check_clock(table.name, columns)
        else:  # before the write, so that a refused row is not written
            try:
                apply_events(rows, config.project, plan, events_of(layout, table, data, columns))
            except StreamError as error:
                raise RefusedRowsError(str(error)) from error
        rows.write_newest(list(zip(keys, packed, strict=True)), latest())
        if progress:
            progress(given)

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: Data, progress: Callable[[int], Any] | None
    ) -> None:
        """The same in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> ReadResult:
        """Read rows in the order of their keys; (None, None) for a missing one."""
        layout = layout_of(table)
        keys = [row_key(config.project, table.name, key_values(layout, key)) for key in entity_keys]
        columns = unpack(layout, self.rows(config).read(keys))
        fields = [field for field in layout.fields if requested_features is None or field.name in requested_features]
        values = {field.name: values_of(field.kind, columns, field.name) for field in fields}
        return [
            (moment(time), {name: column[row] for name, column in values.items()}) if found else (None, None)
            for row, (time, found) in enumerate(zip(columns.event_time.tolist(), columns.found.tolist(), strict=True))
        ]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> ReadResult:
        """The same in a thread."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Delete the rows of dropped views. Raises UnsupportedError for a view that cannot be packed."""
        for view in tables_to_keep:
            layout_of(view)
        for view in tables_to_delete:
            self.rows(config).delete(view_prefix(config.project, view.name))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Delete the rows of all views."""
        for view in tables:
            self.rows(config).delete(view_prefix(config.project, view.name))

    async def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._rows is not None:
                self._rows.close()
                self._rows = None


def _without_forgotten(members: Forgotten, layout: Layout, data: Data) -> Data:
    names = [key.name for key in layout.keys]
    if not members or members.key not in names:
        return data
    place = names.index(members.key)
    return [row for row in data if not members.holds(key_values(layout, row[0])[place])]


def _check_clock(view: str, columns: pa.Table) -> None:
    """Raise RefusedRowsError for rows whose event or created time is ahead of the clock."""
    end = latest()
    for name in (EVENT, CREATED):
        times = columns[name].fill_null(0).to_numpy()
        ahead = np.flatnonzero(times > end)
        if len(ahead):
            raise RefusedRowsError(
                f"{view}, row {ahead[0] + 1}, {name}: expected {bound()}; found {readable(int(times[ahead[0]]))} "
                f"({len(ahead)} of {len(times)} rows)"
            )
