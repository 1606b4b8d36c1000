"""Materialised rows under keys on which the stream has gone on since: the batch up to its time, then the events."""

import logging
from collections.abc import Sequence
from typing import Any

from feature_repo.pushed import RECENT
from feature_repo.stores.online.layout import Layout, layout_of
from feature_repo.stores.online.rows import RowStore
from feature_repo.stream.columns import edge_names
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.layouts import Row, read_rows, write_rows
from feature_repo.stream.member import Member
from feature_repo.stream.record import record_key
from models.clock import latest
from models.counters.plan import plans
from models.spec import Spec

_log = logging.getLogger(__name__)
_CHUNK = 10_000
_AT_ONCE = 200


def rebase(rows: RowStore, spec: Spec, view: Any, keys: Sequence[bytes], batch: Sequence[bytes]) -> int:
    """Beside ``write_newest`` of batch rows: put them also under the events that are newer; return how many keys moved.

    A row of the stream that is later than the batch's stays where it is, and with it whatever the stream had missed;
    events ahead of the clock are taken out of it. Rebase first: ``write_newest`` may replace a row ahead of the clock.
    ``view`` is a counter or ``recent_activities`` (of any other nothing is done), ``batch`` holds its packed rows. Keys
    on which nothing was pushed cost one read.
    """
    if view.name != RECENT and view.name not in plans(spec):
        return 0
    layout, moved, pushed = layout_of(view), 0, 0
    for start in range(0, len(keys), _CHUNK):
        records = rows.read([record_key(key) for key in keys[start : start + _CHUNK]])
        places = [start + place for place, record in enumerate(records) if record is not None]
        for first in range(0, len(places), _AT_ONCE):
            group = places[first : first + _AT_ONCE]
            packed = [batch[place] for place in group]
            moved += _Rebase(spec, layout, [keys[place] for place in group], packed).change(rows)
        pushed += len(places)
    if moved < pushed:
        _log.info(
            "%s: %d keys have more events since than are kept beside them: left as pushed", view.name, pushed - moved
        )
    return moved


class _Rebase:
    """Some keys with records, changed at once."""

    def __init__(self, spec: Spec, layout: Layout, keys: Sequence[bytes], packed: Sequence[bytes]) -> None:
        self._spec, self._layout, self._keys, self._packed = spec, layout, keys, packed
        self._batch = read_rows(layout, packed)
        self._edges, self._plan = edge_names(spec), plans(spec).get(layout.view)
        self._moved = 0

    def change(self, rows: RowStore) -> int:
        """Change the store; return how many keys stand on the batch's rows now."""
        rows.change([*self._keys, *map(record_key, self._keys)], self._change)
        return self._moved

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        count, end = len(self._keys), latest()
        found = read_rows(self._layout, stored[:count])
        rows: list[bytes | None] = []
        records: list[bytes | None] = []
        self._moved = 0
        for row, record, batch, packed in zip(found, stored[count:], self._batch, self._packed, strict=True):
            key = self._read(row, record, end)
            mended = row is not None and row.time > end and (isinstance(key, Member) or not key.ahead)
            moved = batch is not None and key.rebase(batch)
            if not (moved or mended) or key.row is None:
                rows.append(None)
            else:
                rows.append(packed if key.row.flags else write_rows(self._layout, [key.row])[0])
            records.append(key.record.write() if moved or mended else None)
            self._moved += moved
        return [*rows, *records]

    def _read(self, row: Row | None, record: bytes | None, end: int) -> CountedKey | Member:
        if self._plan is None:
            return Member.read(self._edges, self._spec.model.activities, row, record, end)
        return CountedKey.read(self._plan, row, record, end)
