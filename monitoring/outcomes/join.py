"""Join of served impressions with their outcomes: settled labels, day by day."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models import clock, outcome_parts
from models.files import scratch_folder
from models.spec import Spec
from models.sql import literal
from models.time_units import DAY, microseconds
from monitoring.outcomes import shown, stored
from monitoring.outcomes.columns import KEY, Columns
from monitoring.outcomes.counts import OutcomeCounts
from monitoring.outcomes.engine import connected
from monitoring.outcomes.labels import Labels
from monitoring.outcomes.orphans import add_matched, begin_matched, orphans
from monitoring.outcomes.served import ServedDay, ServedLog, served_log

if TYPE_CHECKING:
    import duckdb

_SCRATCH = ".scratch"
_GROUP = 60_000
"""Rows of a row group: what a reader holds of a file."""


def join(
    spec: Spec,
    served: Path | str,
    outcomes: Path | str | Sequence[Path | str],
    now: int,
    first_day: str,
    last_day: str,
    folder: Path,
    impressions: Path | None = None,
) -> OutcomeCounts:
    """Write ``folder/day=<day>.parquet`` for each day (UTC) from ``first_day`` to ``last_day``; return the counts.

    ``served``: a folder of JSON lines (a path), or the address of Parquet parts (a text). ``outcomes``: where outcomes
    are, one place or several: addresses of the store (``models.outcome_parts.address_of``), and folders of lines
    that a server wrote. ``now``: up to when they are known, int64 microseconds UTC: a later one is not there yet.
    ``impressions``: the adapter's table, a Parquet file, whose labels are outcomes, too.

    A file has one row per served candidate, by (served, slate, position): its slate, scores and probabilities, for
    each task ``label_<task>`` (1, 0, null) and ``happened_<task>``, and the decoder's features (``columns``). A label
    is null until the task's ``attribution`` has passed since ``served``, whatever came so far: positive outcomes are
    known first. Then it is 1 if the first received outcome is positive and happened from (served - the clock's
    tolerance) to (served + attribution), without ``attribution`` at any later time; else 0. ``happened_<task>`` is when
    the first received outcome happened, if it is positive: known while the label is still null, null where its time is
    skewed.

    A row of ``impressions`` belongs to the candidate whose id, member and item it has; one without an id to the last
    candidate of its member, item and surface served at most 24 hours before it. It counts where no outcome was sent,
    once ``attribution`` has passed since it was shown, and the table goes on until then. Of a slate with such rows, the
    other candidates have no label: they were not shown. If the store has no outcome at all, no candidate without a row
    has one.

    A day without served rows gives an empty file. Called again, also after a kill, it gives the same files; one caller
    at a time per folder. Memory is bounded (``engine.MEMORY``). Raises OSError if a place cannot be read.
    """
    places = [outcomes] if isinstance(outcomes, Path | str) else list(outcomes)
    span = _start(first_day), _start(last_day) + DAY
    with scratch_folder(folder / _SCRATCH) as scratch, connected(scratch) as connection:
        torn = stored.load(connection, spec, places, span, now, scratch)
        until = None if impressions is None else shown.load(connection, spec, impressions)
        (some,) = connection.execute(f"SELECT count(*) FROM {stored.STORED}").fetchone() or (0,)
        labels = Labels(spec, now, until, silent=until is not None and not some)
        log = served_log(connection, Columns.of(spec), served, scratch)
        days = _Days(connection, spec, log, labels, scratch)
        total = OutcomeCounts(torn=torn.total(), torn_on=torn)
        for time in range(*span, DAY):
            total += days.join(time, folder)
        total += OutcomeCounts(ahead=days.rows_after(outcome_parts.day_of(now + clock.tolerance())))
        return total + orphans(connection, spec, log, span, until is not None)


class _Days:
    """Joins one day after the other."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", spec: Spec, log: ServedLog, labels: Labels, scratch: Path
    ) -> None:
        self._connection, self._spec, self._log, self._labels, self._scratch = connection, spec, log, labels, scratch
        begin_matched(connection)

    def join(self, time: int, folder: Path) -> OutcomeCounts:
        """Write the file of the day that begins at a time; return its counts."""
        import duckdb

        day = outcome_parts.day_of(time)
        draft = self._scratch / f"day={day}.parquet"
        try:
            found = self._join(time, draft, whole=False)
        except duckdb.Error:  # a part may be damaged in its middle
            found = self._join(time, draft, whole=True)
        draft.replace(folder / draft.name)
        self._log.close(day)
        return found

    def rows_after(self, last: str) -> int:
        """How many candidates the log has of days after one."""
        import duckdb

        rows = 0
        for day in (one for one in self._log.days() if one > last):
            try:
                opened = self._log.open(day)
                (found,) = self._connection.execute(f"SELECT count(*) FROM ({opened.rows})").fetchone() or (0,)
            except duckdb.Error:  # a damaged part
                found = 1
            rows += found
            self._log.close(day)
        return rows

    def _join(self, time: int, draft: Path, whole: bool) -> OutcomeCounts:
        day = self._opened(time, whole)
        self._match_by_time(time, day.rows, whole)
        target = f"{literal(str(draft))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_GROUP})"
        self._connection.execute(f"COPY ({self._labels.joined(day.rows)}) TO {target}")
        row = self._connection.execute(self._labels.counts(day.rows)).fetchone()
        assert row is not None
        served, outcomes, matched, late, skewed, settled, pending = row
        add_matched(self._connection, day.rows, self._labels.has_shown)
        return OutcomeCounts(
            served,
            outcomes,
            matched,
            settled,
            pending,
            duplicate=outcomes - matched,
            late=late,
            skewed=skewed,
            torn=day.torn,
            torn_on=Counter({outcome_parts.day_of(time): day.torn}),
        )

    def _opened(self, time: int, whole: bool) -> ServedDay:
        """A day's rows, each candidate once: it may lie in two parts."""
        day = self._log.open(outcome_parts.day_of(time), whole)
        counted = self._connection.execute(f"SELECT count(*) - count(DISTINCT {KEY}) FROM ({day.rows})").fetchone()
        if counted == (0,):
            return day
        first = f"row_number() OVER (PARTITION BY {KEY} ORDER BY served, score, as_of) = 1"
        return replace(day, rows=f"SELECT * FROM ({day.rows}) QUALIFY {first}")

    def _match_by_time(self, time: int, rows: str, whole: bool) -> None:
        """Find the rows without an id in the table of impressions that belong to the day's candidates."""
        if not self._labels.has_shown:
            return
        if not shown.has_rows_without_id(self._connection, time, time + DAY):
            shown.match_by_time(self._connection, self._spec, shown.NO_CANDIDATES, time)
            return
        narrow = f"SELECT {KEY}, member::VARCHAR AS member, item::VARCHAR AS item, surface, served FROM"
        following = self._opened(time + DAY, whole)
        candidates = f"{narrow} ({rows}) UNION ALL {narrow} ({following.rows})"
        shown.match_by_time(self._connection, self._spec, candidates, time + DAY)


def _start(day: str) -> int:
    """The first microsecond of a day (UTC)."""
    return microseconds(datetime.fromisoformat(day).replace(tzinfo=UTC))
