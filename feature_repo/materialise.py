"""The newest values of every online view: from the offline store, past the quality gate, into the online store."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from feature_repo.errors import QualityError
from feature_repo.newest import arrived, end_of_files, interval, newest_moment, newest_rows, rows_ahead
from feature_repo.pushed import RECENT, write_pushed
from feature_repo.quality import Finding, Record, check, profile, read_record, write_record
from feature_repo.stream.columns import events_view
from feature_repo.stream.definitions import event_tables
from feature_repo.stream.recent import recent
from models.clock import latest
from models.features import counter_views, online_views
from models.spec import Spec
from models.spec.expectations import CheckedView

_log = logging.getLogger(__name__)
OVERLAP = timedelta(days=1)
"""How late rows may arrive that a run since the last one still finds."""


class Materialised(dict[str, int]):
    """Rows written by view. A refused view is not among them: ``refused`` holds what it does not keep."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, list[Finding]] = {}
        self.ahead: dict[str, int] = {}
        """By view: rows in the offline store that are ahead of the clock, and left out."""


class _Judged(NamedTuple):
    """One view and its newest rows, before anything is written."""

    view: Any
    rows: pa.Table
    last: Record | None
    findings: list[Finding]


def materialize(
    store: Any,
    spec: Spec,
    until: int | None = None,
    *,
    state: Path | None = None,
    since_last: bool = False,
    overlap: timedelta = OVERLAP,
) -> Materialised:
    """Write into the online store what a request at ``until`` may see; return the rows written by view.

    ``until`` is in microseconds UTC, exclusive as everywhere (None = after the last row of every table). Per view: the
    newest row of every key as the configured offline store pulls it (what has outlived the view's TTL by then is left
    out), the spec's expectations, the rows, the interval in Feast's registry, a record under ``state``. A row replaces
    one in the online store that is as new or older: run again, out of order, or after a kill, the store is the same.

    A view that does not keep its expectations is not written: its last good values stay, the other views go on, and
    ``refused`` of the result says why. Raises QualityError, after the others, where a refused view has no last good
    values. Without ``state`` nothing is recorded: drift is not judged, and every view counts as never written.

    Rows ahead of the clock (``models.clock``) are left out and counted, whatever ``until`` says; one that stands
    in the online store counts as absent, and so does the record of such a run.

    By default the newest row of every key is written: late rows arrive by themselves. ``since_last`` writes fewer of
    them (the gate sees the same rows):

    - of a view with a created column, those whose event time is not before the last run's ``until``, and those that
      were created later than ``overlap`` before the latest created time that the last run saw. It misses rows that were
      changed in place, and rows that became readable more than ``overlap`` after their created time.
    - of any other view (all counters), those whose event time is not before the last run's ``until`` minus ``overlap``.
      It misses rows that arrived, or that a late event changed, with an event time before that.

    A view that was never written, whose columns have changed, or that is empty online is written whole all the same.
    """
    if since_last and state is None:
        raise ValueError("since_last: expected the state folder that holds the record of the last run; found None")
    views = [store.get_feature_view(name) for name in [*online_views(spec), RECENT]]
    if until is None:
        events = [store.get_feature_view(events_view(table)) for table in event_tables(spec)]
        until = end_of_files([*views[:-1], *events], latest())
    until = min(until, latest() + 1)
    expected = _expected(spec)
    result, bad = Materialised(), list[Finding]()
    for number, view in enumerate(views, start=1):
        started, place = time.monotonic(), f"({number} of {len(views)})"
        judged = _judge(store, spec, view, until, state, expected.get(view.name, CheckedView()))
        ahead = rows_ahead(view, latest())
        if ahead:
            result.ahead[view.name] = ahead
            _log.warning("%s %s: %d rows ahead of the clock are left out", view.name, place, ahead)
        if judged.findings:
            result.refused[view.name] = judged.findings
            bad += [] if judged.last else judged.findings
            _log.error("REFUSED %s %s: %s", view.name, place, refusal(judged.findings))
            continue
        since = judged.last if since_last and _has_rows(store, view) else None
        rows = judged.rows.filter(pa.array(arrived(judged.rows, view, since, overlap))) if since else judged.rows
        result[view.name] = _write(store, spec, view, rows)
        _note_interval(store, view, *interval(view, until, judged.last))
        if state is not None:
            _note_record(state, judged, until, expected.get(view.name, CheckedView()))
        seconds = time.monotonic() - started
        speed = len(rows) / max(seconds, 1e-3)
        _log.info("materialized %s %s: %d keys in %.1f s, %d a second", view.name, place, len(rows), seconds, speed)
    if bad:
        raise QualityError(f"expected good values of every view, from now or an earlier run; found none: {_lines(bad)}")
    return result


def refusal(findings: Sequence[Finding]) -> str:
    """Why a view was refused, for a person."""
    return f"{_lines(findings)}. The last good values stay"


def _judge(store: Any, spec: Spec, view: Any, until: int, state: Path | None, expected: CheckedView) -> _Judged:
    last, end = read_record(state, view.name), latest()
    if last is not None and (last.columns != _columns(view) or max(last.until - 1, last.created or 0) > end):
        last = None
    if view.name == RECENT:
        _write_recent(store, spec, view, until)
    rows = newest_rows(store, view, *interval(view, until, last))
    previous = last.profile if last else None
    findings = check(view.name, expected, rows, view.batch_source.timestamp_field, previous, until)
    return _Judged(view, rows, last, findings)


def _write_recent(store: Any, spec: Spec, view: Any, until: int) -> None:
    """The file behind the last activities: no adapter writes it, it follows from the event tables."""
    tables = Path(store.get_feature_view(events_view(spec.impressions.table)).batch_source.path).parent
    write_pushed(recent(spec, tables, until), Path(view.batch_source.path).parent, RECENT)


def _write(store: Any, spec: Spec, view: Any, rows: pa.Table) -> int:
    """Write rows that come from the offline truth, also under what the stream holds; a terminal sees them go."""
    from feature_repo.stores.online.bulk import rows_of, write_table
    from feature_repo.stores.online.keys import row_keys
    from feature_repo.stores.online.layout import layout_of
    from feature_repo.stores.online.packed import FLAG_BATCH, pack
    from feature_repo.stream.rebase import rebase

    source = view.batch_source
    created = source.created_timestamp_column or None
    if view.name == RECENT or view.name in counter_views(spec):
        layout = layout_of(view)
        packed = pack(layout, rows, source.timestamp_field, created, FLAG_BATCH)
        rebase(rows_of(store), spec, view, row_keys(store.project, layout, rows), packed)
    with _progress(view.name, len(rows)) as advance:
        return write_table(store, view, rows, source.timestamp_field, created, FLAG_BATCH, advance)


@contextmanager
def _progress(name: str, rows: int) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(total=rows, desc=name, unit=" rows", disable=not sys.stderr.isatty(), leave=False) as bar:
        yield bar.update


def _has_rows(store: Any, view: Any) -> bool:
    """Whether the online store holds anything of the view: it may have been emptied since the last run."""
    from feature_repo.stores.online.bulk import rows_of
    from feature_repo.stores.online.keys import view_prefix

    return next(iter(rows_of(store).dump(view_prefix(store.project, view.name))), None) is not None


def _note_interval(store: Any, view: Any, start: Any, end: Any) -> None:
    """Feast's own commands go on from here. An interval that is there already is not noted again."""
    if start <= end and not any(since <= start and end <= to for since, to in view.materialization_intervals):
        store.registry.apply_materialization(view, store.project, start, end)


def _note_record(state: Path, judged: _Judged, until: int, expected: CheckedView) -> None:
    """The last good materialisation is the one with the latest bound: an earlier one changes nothing."""
    view, rows, last, _ = judged
    if last is not None and last.until > until:
        return
    column = view.batch_source.created_timestamp_column
    seen = [newest_moment(rows, column, latest()) if column else None, last.created if last else None]
    created = max((moment for moment in seen if moment is not None), default=None)
    drifting = [name for name, expectation in expected.expectations.items() if expectation.drift]
    write_record(state, view.name, Record(until, created, _columns(view), profile(rows, drifting)))


def _expected(spec: Spec) -> dict[str, CheckedView]:
    """What the spec expects, by view; of counters only how fresh they are."""
    counters = {name: CheckedView(fresh_within_days=one.fresh_within_days) for name, one in spec.counters.items()}
    return counters | {name: view for node in spec.nodes.values() for name, view in node.views.items()}


def _columns(view: Any) -> list[str]:
    return [f"{field.name}: {field.dtype}" for field in view.schema]


def _lines(findings: Sequence[Finding]) -> str:
    return "; ".join(map(str, findings))
