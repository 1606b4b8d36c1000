"""The settled days of a product: each is summarized and judged once, in order, and kept in the storage.

A summary is ``monitoring/<product>/days/<day>.json``, a verdict ``verdicts/<day>.json`` beside it. Both are written
whole, the summary first, so that a run which was killed goes on where it stopped and comes to the same verdicts.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from models.spec import Spec
from models.storage import join, names, read_bytes, write_bytes
from models.time_units import DAY, moment
from monitoring.acceptance import read_accepted
from monitoring.days import DaySummary, JoinedRows, summarize
from monitoring.errors import SummaryError
from monitoring.monitors import judge
from monitoring.verdict import ACTIONS, Alarm, State, Verdict
from monitoring.verdicts import folder_of, read_verdict, verdict_days, write_verdict

Join = Callable[[int, int, Path], Mapping[str, int]]
"""Writes ``day=<day>.parquet`` to a folder for every day (UTC) from one time to another (microseconds UTC, both of
these days included); returns the counts of the join."""
Compare = Callable[[JoinedRows], Mapping[str, Any]]
"""Joined rows compared with the profile of the version that served most of them: ``DaySummary.profile``."""
Nodes = Callable[[JoinedRows], Mapping[str, Mapping[str, Any]]]
"""The features of members and items of joined rows, as ``DaySummary.columns``."""
_FOLDER, _SUFFIX = "days", ".json"


class Judged(NamedTuple):
    """What is known once the newest settled day is judged."""

    verdict: Verdict
    days: tuple[DaySummary, ...]
    """Of the last ``history_days``, oldest first."""
    counts: Mapping[str, int]
    """Of the join of the newest settled day."""


def judge_days(
    spec: Spec,
    storage: str,
    join_rows: Join,
    first: date | None,
    roles: Mapping[str, str],
    now: int,
    compare: Compare = lambda _: {},
    nodes: Nodes = lambda _: {},
) -> Judged:
    """Summarize and judge the settled days that are not yet, and the newest one again; write their verdicts.

    ``first``: the first day that has a served row, None = there is none; ``roles``: the versions that serve, by role;
    ``now``: microseconds UTC. A day is settled once the slowest task's attribution has passed since its end. A product
    without any row on a settled day is watched. Raises OSError, VerdictError or SummaryError for what cannot be read.
    """
    newest = newest_settled(spec, now)
    history = [newest - timedelta(days=back) for back in range(spec.monitoring.history_days, -1, -1)]
    known = {day: read_summary(storage, spec.name, day) for day in _stored(storage, spec.name, history)}
    counts: Mapping[str, int] = {}
    began = min(
        [day for day, one in known.items() if one.rows] + ([] if first is None else [first.isoformat()]), default=""
    )
    for day in (one for one in history if began and one.isoformat() >= began):
        if day.isoformat() not in known or day == newest:
            ahead = max((one.log.get("ahead", 0) for name, one in known.items() if name < day.isoformat()), default=0)
            known[day.isoformat()], counts = _summarized(spec, day, join_rows, compare, ahead, nodes)
            _write_summary(storage, spec.name, known[day.isoformat()])
    if newest.isoformat() not in known:
        verdict = _not_settled(spec, newest.isoformat(), first, roles)
        write_verdict(storage, spec.name, verdict)
        return Judged(verdict, (), counts)
    days = [known[day] for day in sorted(known)]
    return Judged(_judge(spec, storage, days, roles), tuple(days), counts)


def newest_settled(spec: Spec, now: int) -> date:
    """The newest day, in the spec's time zone, whose outcomes have all had their time."""
    day = moment(now - spec.attribution).astimezone(spec.zone).date()
    return day - timedelta(days=1)


def read_summary(storage: str, product: str, day: str) -> DaySummary:
    """A stored summary. Raises SummaryError for a file that is none, FileNotFoundError."""
    address = join(folder_of(storage, product), _FOLDER, f"{day}{_SUFFIX}")
    try:
        return DaySummary.from_json(json.loads(read_bytes(address)))
    except ValueError as error:
        raise SummaryError(f"{address}: {error}. Remove the file") from None


def _judge(spec: Spec, storage: str, days: Sequence[DaySummary], roles: Mapping[str, str]) -> Verdict:
    """Judge the days without a verdict, and the newest, whose outcomes may have come since."""
    kept = [day for day in verdict_days(storage, spec.name) if days[0].day <= day <= days[-1].day]
    verdicts = {day: read_verdict(storage, spec.name, day) for day in kept}
    accepted = read_accepted(storage, spec.name)
    for place, day in enumerate(days):
        if day.day in verdicts and day is not days[-1]:
            continue
        verdicts[day.day] = judge(spec, day, days[:place], list(verdicts.values()), roles, accepted)
        write_verdict(storage, spec.name, verdicts[day.day])
    return verdicts[days[-1].day]


def _summarized(
    spec: Spec, day: date, join_rows: Join, compare: Compare, ahead: int, nodes: Nodes
) -> tuple[DaySummary, Mapping[str, int]]:
    """The summary of a day, and the counts of its join; ``ahead``: how many rows of a future day the log had before.

    Those stay in the log. So only the ones that came since are a fault of this day.
    """
    begin, end = spec.midnight(day), spec.midnight(day + timedelta(days=1))
    with tempfile.TemporaryDirectory() as scratch:
        counts = join_rows(begin, end - 1, Path(scratch))
        rows = rows_of(Path(scratch), begin, end)
        counts = {**counts, "clock": max(counts.get("ahead", 0) - ahead, 0)}
        found = summarize(spec, rows, day.isoformat(), counts, compare(rows))
        return replace(found, columns={**nodes(rows), **found.columns}), counts


def rows_of(folder: Path, begin: int, end: int) -> JoinedRows:
    """The rows of a local day in a join's files, and those with an impossible time; other rows are another day's.

    ``begin`` and ``end`` of the day in microseconds UTC.
    """
    rows = JoinedRows(sorted(folder.glob("day=*.parquet")))
    served = rows["served"].to_numpy()
    before = (served < begin) & (served >= begin - DAY)
    after = (served >= end) & (served < end + DAY)
    return rows.filter(~(before | after))


def _not_settled(spec: Spec, day: str, first: date | None, roles: Mapping[str, str]) -> Verdict:
    text = "Nothing was served yet"
    if first is not None:
        text = f"No day is settled yet: rows were served from {first}, judged is up to {day}"
    alarm = Alarm("log", "log.not_served", "", text, State.WATCH)
    return Verdict(State.WATCH, alarm.cause, day, day, (alarm,), ACTIONS[State.WATCH], dict(roles))


def _stored(storage: str, product: str, history: Sequence[date]) -> list[str]:
    wanted = {day.isoformat() for day in history}
    found = names(join(folder_of(storage, product), _FOLDER))
    return [name.removesuffix(_SUFFIX) for name in found if name.removesuffix(_SUFFIX) in wanted]


def _write_summary(storage: str, product: str, summary: DaySummary) -> None:
    address = join(folder_of(storage, product), _FOLDER, f"{summary.day}{_SUFFIX}")
    write_bytes(address, json.dumps(summary.to_json(), allow_nan=False).encode())
