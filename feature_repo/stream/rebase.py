"""Rebase: combine materialized rows with the events that were pushed since, so that neither is lost."""

import logging
from collections.abc import Sequence
from typing import Any

from feature_repo.packed.layout import Layout, layout_of
from feature_repo.packed.rows import RowStore
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.event_log import log_key
from feature_repo.stream.member import MemberState
from feature_repo.stream.packed_rows import Row, read_rows, write_rows
from feature_repo.views.events import edge_names
from feature_repo.views.pushed import RECENT
from models.clock import latest
from models.spec import Spec
from models.spec.counter_plans import counter_plans

_log = logging.getLogger(__name__)
_CHUNK = 10_000
_PER_CHANGE = 200


def rebase(rows: RowStore, spec: Spec, view: Any, keys: Sequence[bytes], batch: Sequence[bytes]) -> int:
    """Combine packed batch rows with newer pushed events of the same keys; return how many keys were rebased.

    Call it before ``write_newest`` of the same rows, which skips rows older than the stream's and may replace a row
    ahead of the clock. Rebasing adds to a stream row what the stream had missed, and removes events ahead of the clock.
    ``view`` is a counter or ``recent_activities``; other views are left alone. A key without pushed events costs one
    read.
    """
    if view.name != RECENT and view.name not in counter_plans(spec):
        return 0
    layout, rebased, pushed = layout_of(view), 0, 0
    for start in range(0, len(keys), _CHUNK):
        logs = rows.read([log_key(key) for key in keys[start : start + _CHUNK]])
        places = [start + place for place, log in enumerate(logs) if log is not None]
        for first in range(0, len(places), _PER_CHANGE):
            group = places[first : first + _PER_CHANGE]
            packed = [batch[place] for place in group]
            rebased += _Rebase(spec, layout, [keys[place] for place in group], packed).change(rows)
        pushed += len(places)
    if rebased < pushed:
        _log.info(
            "%s: %d keys have more events since than their logs hold: left as pushed", view.name, pushed - rebased
        )
    return rebased


class _Rebase:
    """Keys with event logs, rebased in one atomic change."""

    def __init__(self, spec: Spec, layout: Layout, keys: Sequence[bytes], packed: Sequence[bytes]) -> None:
        self._spec, self._layout, self._keys, self._packed = spec, layout, keys, packed
        self._batch = read_rows(layout, packed)
        self._edges, self._plan = edge_names(spec), counter_plans(spec).get(layout.view)
        self._rebased = 0

    def change(self, rows: RowStore) -> int:
        """Change the store; return how many keys were rebased."""
        rows.change([*self._keys, *map(log_key, self._keys)], self._change)
        return self._rebased

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        count, end = len(self._keys), latest()
        found = read_rows(self._layout, stored[:count])
        rows: list[bytes | None] = []
        logs: list[bytes | None] = []
        self._rebased = 0
        for row, log, batch, packed in zip(found, stored[count:], self._batch, self._packed, strict=True):
            key = self._read(row, log, end)
            repaired = row is not None and row.time > end and (isinstance(key, MemberState) or not key.ahead)
            rebased = batch is not None and key.rebase(batch)
            if not (rebased or repaired) or key.row is None:
                rows.append(None)
            else:
                rows.append(packed if key.row.flags else write_rows(self._layout, [key.row])[0])
            logs.append(key.log.write() if rebased or repaired else None)
            self._rebased += rebased
        return [*rows, *logs]

    def _read(self, row: Row | None, log: bytes | None, end: int) -> CountedKey | MemberState:
        if self._plan is None:
            return MemberState.read(self._edges, self._spec.model.activities, row, log, end)
        return CountedKey.read(self._plan, row, log, end)
