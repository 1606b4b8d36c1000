"""Materialize run: per view the newest rows, the quality gate, the online store, and notes about the run."""

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from feature_repo.as_of import last_visible
from feature_repo.materialise.newest import (
    arrived,
    end_of_files,
    interval,
    local_tables,
    newest_rows,
    newest_time,
    rows_ahead,
)
from feature_repo.packed.keys import row_keys, view_prefix
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH, pack
from feature_repo.quality import (
    Finding,
    LastRun,
    QualityError,
    check,
    kinds_of,
    profile,
    read_last_run,
    write_last_run,
)
from feature_repo.stream.rebase import rebase
from feature_repo.stream.recent import recent
from feature_repo.views.events import event_tables, events_view
from feature_repo.views.pushed import RECENT, folder_of, write_pushed
from models.clock import latest
from models.features import counter_views, online_views, snapshot_views
from models.spec import Spec
from models.spec.expectations import CheckedView
from models.time_units import moment

_log = logging.getLogger(__name__)
OVERLAP = timedelta(days=1)
"""How late rows may arrive and still be found by a run with ``since_last``."""


class MaterializeResult(dict[str, int]):
    """Rows written, by view. Refused views are in ``refused`` instead, with the expectations that they break."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, list[Finding]] = {}
        self.ahead: dict[str, int] = {}
        """By view: rows of the offline store that are ahead of the clock, and left out."""


@dataclass(frozen=True)
class _Run:
    """The arguments of one run."""

    store: Any
    spec: Spec
    until: int
    noted: bool
    since_last: bool
    overlap: timedelta
    allowed: Callable[[], None]


@dataclass(frozen=True)
class _ViewRows:
    """One view and its newest rows, before anything is written."""

    view: Any
    rows: pa.Table
    last: LastRun | None
    expected: CheckedView
    findings: list[Finding]


def materialize(
    store: Any,
    spec: Spec,
    until: int | None = None,
    *,
    snapshots_until: int | None = None,
    since_last: bool = False,
    overlap: timedelta = OVERLAP,
    noted: bool = True,
    allowed: Callable[[], None] = lambda: None,
) -> MaterializeResult:
    """Write into the online store what a request at ``until`` may see; return the rows written by view.

    ``until`` is in microseconds UTC and exclusive (None = after the last row of every table). For each view: pull the
    newest row of every key from the offline store (without those that have outlived the view's TTL by then), check the
    spec's expectations, write the rows, register the interval in Feast, note the run in the store; interval and note
    end with the view's newest row, if that is before ``until``. A row replaces a stored one that is as new or older, so
    runs may be repeated, in any order, and after a kill.

    A view that breaks its expectations is not written: it keeps its last good values, the other views continue, and
    ``refused`` of the result gives the reasons. Raises QualityError, after the others, if a refused view has no last
    good values. Without ``noted`` no earlier run counts and nothing is noted: drift is not checked, and every view
    counts as never written.

    ``allowed`` is called before each view and after each batch of its rows. It raises where the caller may not write
    any more, since another run has taken the lease.

    ``snapshots_until`` replaces ``until`` for ``snapshot_views``: a snapshot is visible hours after its data.

    Rows ahead of the clock (``models.clock``) are left out and counted, whatever ``until`` is; of a snapshot they are
    expected, and not counted. A stored row ahead of the clock counts as missing, and so does the note of such a run.

    By default the newest row of every key is written, so late rows are included. ``since_last`` writes fewer of them
    (the quality gate sees the same rows):

    - For a view with a created column: rows whose event time is after the newest that the last run saw, and rows
      created later than ``overlap`` before the latest created time that it saw. This misses rows changed in place, and
      rows that became readable more than ``overlap`` after their created time.
    - For any other view (all counters): rows whose event time is later than ``overlap`` before the newest that the last
      run saw. This misses rows that arrived, or were changed by a late event, with an earlier event time.

    A view that was never written, has new columns, or is empty online is always written as a whole.
    """
    if since_last and not noted:
        raise ValueError("since_last: expected noted=True, since the last run is read from its note; found False")
    views = [store.get_feature_view(name) for name in [*online_views(spec), RECENT]]
    until = _end(store, spec, views[:-1]) if until is None else until
    run = _Run(store, spec, min(until, latest() + 1), noted, since_last, overlap, allowed)
    of_snapshots = run if snapshots_until is None else replace(run, until=min(snapshots_until, latest() + 1))
    expected = _expected(spec)
    result, without_values = MaterializeResult(), list[Finding]()
    for number, view in enumerate(views, start=1):
        place = f"({number} of {len(views)})"
        its_run = of_snapshots if view.name in snapshot_views(spec) else run
        without_values += _materialize_view(its_run, view, expected.get(view.name, CheckedView()), place, result)
    if without_values:
        raise QualityError(
            f"expected good values of every view, from now or an earlier run; found none: {_lines(without_values)}"
        )
    return result


def _end(store: Any, spec: Spec, views: Sequence[Any]) -> int:
    """After the last row of these views' files and of the events."""
    events = [store.get_feature_view(events_view(table)) for table in event_tables(spec)]
    return end_of_files([*views, *events], latest()) or 0


def _materialize_view(
    run: _Run, view: Any, expected: CheckedView, place: str, result: MaterializeResult
) -> Sequence[Finding]:
    """Write one view into the online store and the result; return the findings if it is refused without good values."""
    started = time.monotonic()
    checked = _check(run, view, expected)
    if view.name not in snapshot_views(run.spec) and (ahead := rows_ahead(view, latest())):
        result.ahead[view.name] = ahead
        _log.warning("%s %s: %d rows ahead of the clock are left out", view.name, place, ahead)
    if checked.findings:
        result.refused[view.name] = checked.findings
        _log.error("REFUSED %s %s: %s", view.name, place, refusal(checked.findings))
        return [] if checked.last else checked.findings
    since = checked.last if run.since_last and _has_rows(run.store, view) else None
    rows = checked.rows.filter(pa.array(arrived(checked.rows, view, since, run.overlap))) if since else checked.rows
    result[view.name] = _write(run, view, rows)
    # A run may be asked for a time that its data do not reach: what arrives for that time later is not known yet.
    end = end_of_files([view], latest())
    seen = None if end is None else min(end, run.until)
    if seen is not None:
        start, _ = interval(view, run.until, checked.last)
        _register_interval(run.store, view, start, moment(last_visible(seen)))
    if run.noted:
        _note_run(run.store, checked, run.until, seen)
    seconds = time.monotonic() - started
    speed = len(rows) / max(seconds, 1e-3)
    _log.info("materialized %s %s: %d keys in %.1f s, %d a second", view.name, place, len(rows), seconds, speed)
    return []


def refusal(findings: Sequence[Finding]) -> str:
    """Why a view was refused, as text."""
    return f"{_lines(findings)}. The last good values stay"


def _check(run: _Run, view: Any, expected: CheckedView) -> _ViewRows:
    last, end = read_last_run(run.store, view.name) if run.noted else None, latest()
    if last is not None and (last.columns != _columns(view) or max(last.until - 1, last.created or 0) > end):
        last = None
    if view.name == RECENT:
        _write_recent(run, view)
    rows = newest_rows(run.store, view, *interval(view, run.until, last))
    previous = last.profile if last else None
    findings = check(view.name, expected, rows, view.batch_source.timestamp_field, previous, run.until)
    return _ViewRows(view, rows, last, expected, findings)


def _write_recent(run: _Run, view: Any) -> None:
    """Write the file of last activities, which no adapter writes: it is derived from the event tables."""
    from feature_repo.stores.online.bulk import left_online

    impressions = run.store.get_feature_view(events_view(run.spec.impressions.table))
    tables = folder_of(impressions.batch_source.path)
    with tempfile.TemporaryDirectory() as copies:
        table = recent(run.spec, local_tables(tables, event_tables(run.spec), Path(copies)), run.until)
    run.allowed()
    write_pushed(left_online(run.store, layout_of(view), table), folder_of(view.batch_source.path), RECENT)


def _write(run: _Run, view: Any, rows: pa.Table) -> int:
    """Write rows from the offline store; events that the stream has pushed since are kept."""
    from feature_repo.stores.online.bulk import rows_of, write_table

    run.allowed()
    store, spec = run.store, run.spec
    source = view.batch_source
    created = source.created_timestamp_column or None
    if view.name == RECENT or view.name in counter_views(spec):
        layout = layout_of(view)
        packed = pack(layout, rows, source.timestamp_field, created, FLAG_BATCH)
        rebase(rows_of(store), spec, view, row_keys(store.project, layout, rows), packed)
    with _progress(view.name, len(rows)) as advance:

        def written(count: int) -> None:
            advance(count)
            run.allowed()

        return write_table(store, view, rows, source.timestamp_field, created, FLAG_BATCH, written)


@contextmanager
def _progress(name: str, rows: int) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(total=rows, desc=name, unit=" rows", disable=not sys.stderr.isatty(), leave=False) as bar:
        yield bar.update


def _has_rows(store: Any, view: Any) -> bool:
    """Whether the online store holds any row of the view; it may have been emptied since the last run."""
    from feature_repo.stores.online.bulk import rows_of

    return next(iter(rows_of(store).dump(view_prefix(store.project, view.name))), None) is not None


def _register_interval(store: Any, view: Any, start: Any, end: Any) -> None:
    """Register the interval, from which Feast's own commands continue, unless a registered one contains it."""
    if start <= end and not any(since <= start and end <= to for since, to in view.materialization_intervals):
        store.registry.apply_materialization(view, store.project, start, end)


def _note_run(store: Any, checked: _ViewRows, until: int, seen: int | None) -> None:
    """Note the run, unless the noted one has a later ``until`` and saw rows as new."""
    view, last = checked.view, checked.last
    if last is not None and last.until > until:
        if seen is None or (last.seen is not None and last.seen >= seen):
            return
        until = last.until
    column = view.batch_source.created_timestamp_column
    written = [newest_time(checked.rows, column, latest()) if column else None, last.created if last else None]
    created = max((time for time in written if time is not None), default=None)
    drifting = [name for name, expectation in checked.expected.expectations.items() if expectation.drift]
    profiles = profile(checked.rows, drifting, kinds_of(checked.expected))
    write_last_run(store, view.name, LastRun(until, created, _columns(view), profiles, seen))


def _expected(spec: Spec) -> dict[str, CheckedView]:
    """Expectations by view; for counters only how fresh they must be."""
    counters = {name: CheckedView(fresh_within_days=one.fresh_within_days) for name, one in spec.counters.items()}
    return counters | {name: view for node in spec.nodes.values() for name, view in node.views.items()}


def _columns(view: Any) -> list[str]:
    return [f"{field.name}: {field.dtype}" for field in view.schema]


def _lines(findings: Sequence[Finding]) -> str:
    return "; ".join(map(str, findings))
