"""Taking out of the online store what lies ahead of the clock: of earlier releases, or of a clock that was wrong."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.applied import Applied, pushed_folder
from feature_repo.apply import apply
from feature_repo.newest import EPOCH, microseconds
from feature_repo.pushed import PUSHED_AT, RECENT, write_pushed
from feature_repo.quality import forget, read_record
from feature_repo.stores.online.layout import Layout
from feature_repo.stream.columns import edge_names
from feature_repo.stream.layouts import Row
from models.clock import latest
from models.counters.plan import plans
from models.spec import Spec

_log = logging.getLogger(__name__)
_AT_ONCE = 200


@dataclass
class Repaired:
    """What became of a view's rows ahead of the clock."""

    mended: int = 0
    """The events of the future were taken out; the row holds what is left."""
    removed: int = 0
    """It is not known what the row held before: materialise, or a push of vectors, writes it anew."""

    def __bool__(self) -> bool:
        return bool(self.mended or self.removed)


def repair(store: Any, applied: Applied, state: Path) -> dict[str, Repaired]:
    """Mend or remove every row ahead of the clock, view by view; return what was found.

    A row that the stream wrote is mended: its record says which events to take out. Others are removed. Notes on runs
    until a moment ahead of the clock go as well: Heliograph's records, Feast's intervals, rows of pushed files. It may
    run beside readers and writers, and again.
    """
    found: dict[str, Repaired] = {}
    unregistered = False
    for view in store.list_feature_views():
        done = _view(store, applied.spec, view)
        if done:
            found[view.name] = done
            _log.info("%s: %d rows mended, %d removed", view.name, done.mended, done.removed)
        unregistered |= _forget_runs(store, state, view)
        if Path(view.batch_source.path).parent.resolve() == pushed_folder(state).resolve():
            _clean_file(Path(view.batch_source.path))
    if unregistered:
        apply(store, applied.spec, applied.tables, state)
    return found


def _view(store: Any, spec: Spec, view: Any) -> Repaired:
    from feature_repo.stores.online.bulk import rows_of
    from feature_repo.stores.online.keys import view_prefix
    from feature_repo.stores.online.layout import MOMENT, layout_of, moment_bytes
    from feature_repo.stream.record import is_record

    rows, layout, bound = rows_of(store), layout_of(view), moment_bytes(latest())
    dumped = rows.dump(view_prefix(store.project, view.name))
    ahead = (key for key, row in dumped if not is_record(key) and row[:MOMENT] > bound)
    done = Repaired()
    for keys in _groups(ahead):
        left = _Mend(spec, layout, keys).change(rows) if view.name in {RECENT, *plans(spec)} else keys
        done.removed += rows.remove(left)
        done.mended += len(keys) - len(left)
    return done


class _Mend:
    """Some rows of counters or last activities, changed at once."""

    def __init__(self, spec: Spec, layout: Layout, keys: Sequence[bytes]) -> None:
        self._spec, self._layout, self._keys = spec, layout, keys
        self._edges, self._plan = edge_names(spec), plans(spec).get(layout.view)
        self._left: list[bytes] = []

    def change(self, rows: Any) -> list[bytes]:
        """Mend what can be; the keys of those that cannot."""
        from feature_repo.stream.record import record_key

        rows.change([*self._keys, *map(record_key, self._keys)], self._change)
        return self._left

    def _change(self, stored: list[bytes | None]) -> list[bytes | None]:
        from feature_repo.stream.layouts import read_rows, write_rows

        count, end = len(self._keys), latest()
        written: list[bytes | None] = [None] * (2 * count)
        self._left = []
        for place, row in enumerate(read_rows(self._layout, stored[:count])):
            mended, record = self._mended(row, stored[count + place], end)
            if mended is None:
                self._left.append(self._keys[place])
                continue
            (written[place],) = write_rows(self._layout, [mended])
            written[count + place] = record if stored[count + place] is not None else None
        return written

    def _mended(self, row: Row | None, record: bytes | None, end: int) -> tuple[Row | None, bytes]:
        """The row without the future, and its record; None where that is not known."""
        from feature_repo.stream.counters import CountedKey
        from feature_repo.stream.member import Member

        if self._plan is None:
            member = Member.read(self._edges, self._spec.model.activities, row, record, end)
            return member.row, member.record.write()
        key = CountedKey.read(self._plan, row, record, end)
        return None if key.ahead else key.row, key.record.write()


def _groups(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _AT_ONCE)):
        yield some


def _forget_runs(store: Any, state: Path, view: Any) -> bool:
    """Let the notes of runs until a moment ahead of the clock go: the next run starts anew.

    True where the view itself had to leave Feast's registry with its intervals.
    """
    end = latest()
    record = read_record(state, view.name)
    if record is not None and max(record.until - 1, record.created or 0) > end:
        forget(state, [view.name])
    last = EPOCH + timedelta(microseconds=end)
    if any(until > last for _, until in view.materialization_intervals):
        store.registry.delete_feature_view(view.name, store.project)
        return True
    return False


def _clean_file(file: Path) -> None:
    """Leave rows ahead of the clock out of the file behind a pushed view: it says which vectors are online."""
    if not file.is_file():
        return
    table = pq.read_table(file)
    kept = table.filter(pc.less_equal(microseconds(table[PUSHED_AT]), latest()))
    if kept.num_rows < table.num_rows:
        write_pushed(kept, file.parent, file.stem)
