"""Remove rows ahead of the clock from the online store: written by earlier releases, or under a wrong clock."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.applied import Applied
from feature_repo.definitions import build
from feature_repo.packed.keys import view_prefix
from feature_repo.packed.layout import EVENT_TIME_BYTES, Layout, layout_of, time_bytes
from feature_repo.packed.rows import RowStore
from feature_repo.quality import forget, read_last_run
from feature_repo.stream.counters import CountedKey
from feature_repo.stream.event_log import is_log, log_key
from feature_repo.stream.member import MemberState
from feature_repo.stream.packed_rows import Row, read_rows, write_rows
from feature_repo.views.events import edge_names
from feature_repo.views.pushed import PUSHED_AT, RECENT, folder_of, write_pushed
from feature_repo.views.times import column_microseconds
from models.clock import latest
from models.spec import Spec
from models.spec.counter_plans import counter_plans
from models.storage import exists, file_system
from models.time_units import moment

_log = logging.getLogger(__name__)
_PER_CHANGE = 200


@dataclass
class Repaired:
    """What became of a view's rows ahead of the clock."""

    repaired: int = 0
    """The events ahead of the clock were removed; the row keeps the rest."""
    removed: int = 0
    """The row's earlier content is unknown: materialize, or a push of vectors, writes it again."""

    def __bool__(self) -> bool:
        return bool(self.repaired or self.removed)


def repair(store: Any, applied: Applied) -> dict[str, Repaired]:
    """Repair or remove every row ahead of the clock; return the counts of the views that had some.

    A row that the stream wrote is repaired with its event log; other rows are removed. Notes about runs up to a time
    ahead of the clock are removed too: our notes of last runs, Feast's intervals, rows of pushed files. Safe to run
    with readers and writers, and again.
    """
    found: dict[str, Repaired] = {}
    unregistered = False
    for view in store.list_feature_views():
        done = _repair_view(store, applied.spec, view)
        if done:
            found[view.name] = done
            _log.info("%s: %d rows repaired, %d removed", view.name, done.repaired, done.removed)
        unregistered |= _forget_runs(store, view)
        if folder_of(view.batch_source.path) == applied.pushed:
            _clean_file(view.batch_source.path, view.name)
    if unregistered:
        store.apply(build(applied.spec, applied.tables, applied.pushed))
    return found


def _repair_view(store: Any, spec: Spec, view: Any) -> Repaired:
    from feature_repo.stores.online.bulk import rows_of

    rows, layout, bound = rows_of(store), layout_of(view), time_bytes(latest())
    dumped = rows.dump(view_prefix(store.project, view.name))
    ahead = (key for key, row in dumped if not is_log(key) and row[:EVENT_TIME_BYTES] > bound)
    streamed = view.name in {RECENT, *counter_plans(spec)}
    done = Repaired()
    for keys in _groups(ahead):
        left = _Repair(spec, layout, keys).change(rows) if streamed else keys
        done.removed += rows.remove(left)
        done.repaired += len(keys) - len(left)
    return done


class _Repair:
    """Rows of a counter or of last activities, repaired in one atomic change."""

    def __init__(self, spec: Spec, layout: Layout, keys: Sequence[bytes]) -> None:
        self._spec, self._layout, self._keys = spec, layout, keys
        self._edges, self._plan = edge_names(spec), counter_plans(spec).get(layout.view)
        self._left: list[bytes] = []

    def change(self, rows: RowStore) -> list[bytes]:
        """Repair what can be repaired; return the keys of the other rows."""
        rows.change([*self._keys, *map(log_key, self._keys)], self._change)
        return self._left

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        count, end = len(self._keys), latest()
        written: list[bytes | None] = [None] * (2 * count)
        self._left = []
        for place, row in enumerate(read_rows(self._layout, stored[:count])):
            repaired, log = self._repaired(row, stored[count + place], end)
            if repaired is None:
                self._left.append(self._keys[place])
                continue
            (written[place],) = write_rows(self._layout, [repaired])
            written[count + place] = log if stored[count + place] is not None else None
        return written

    def _repaired(self, row: Row | None, log: bytes | None, end: int) -> tuple[Row | None, bytes]:
        """The row without later events, or None if that is unknown; and its event log."""
        if self._plan is None:
            member = MemberState.read(self._edges, self._spec.model.activities, row, log, end)
            return member.row, member.log.write()
        key = CountedKey.read(self._plan, row, log, end)
        return None if key.ahead else key.row, key.log.write()


def _groups(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _PER_CHANGE)):
        yield some


def _forget_runs(store: Any, view: Any) -> bool:
    """Forget runs up to a time ahead of the clock, so that the next run starts from scratch.

    Returns True if the view had to be removed from Feast's registry together with its intervals.
    """
    end = latest()
    last = read_last_run(store, view.name)
    if last is not None and max(last.until - 1, last.created or 0) > end:
        forget(store, [view.name])
    if any(until > moment(end) for _, until in view.materialization_intervals):
        store.registry.delete_feature_view(view.name, store.project)
        return True
    return False


def _clean_file(address: str, view: str) -> None:
    """Remove rows ahead of the clock from the file of a pushed view."""
    if not exists(address):
        return
    system, path = file_system(address)
    table = pq.read_table(path, filesystem=system)
    kept = table.filter(pc.less_equal(column_microseconds(table[PUSHED_AT]), latest()))
    if kept.num_rows < table.num_rows:
        write_pushed(kept, folder_of(address), view)
