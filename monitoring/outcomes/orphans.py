"""Outcomes that no served impression has."""

from typing import TYPE_CHECKING

from models import outcome_parts
from models.spec import Spec
from models.time_units import DAY
from monitoring.outcomes.columns import KEY
from monitoring.outcomes.counts import OutcomeCounts
from monitoring.outcomes.served import ServedLog
from monitoring.outcomes.shown import BY_ID
from monitoring.outcomes.stored import STORED

if TYPE_CHECKING:
    import duckdb

_MATCHED, _MATCHED_SHOWN = "matched", "matched_shown"
_LEFT = "unmatched"


def begin_matched(connection: "duckdb.DuckDBPyConnection") -> None:
    """Begin to note which outcomes have a candidate."""
    connection.execute(f"CREATE TABLE {_MATCHED} ({KEY} VARCHAR)")
    connection.execute(f"CREATE TABLE {_MATCHED_SHOWN} ({KEY} VARCHAR, member VARCHAR, item VARCHAR)")


def add_matched(connection: "duckdb.DuckDBPyConnection", rows: str, has_shown: bool) -> None:
    """Note the outcomes that a day's candidates have."""
    connection.execute(f"INSERT INTO {_MATCHED} SELECT {KEY} FROM {STORED} SEMI JOIN ({rows}) r USING ({KEY})")
    if has_shown:
        own = f"SELECT {KEY}, member::VARCHAR AS member, item::VARCHAR AS item FROM ({rows})"
        connection.execute(
            f"INSERT INTO {_MATCHED_SHOWN} SELECT {KEY}, member, item FROM {BY_ID} SEMI JOIN ({own}) r "
            f"USING ({KEY}, member, item)"
        )


def orphans(
    connection: "duckdb.DuckDBPyConnection", spec: Spec, log: ServedLog, span: tuple[int, int], has_shown: bool
) -> OutcomeCounts:
    """Count the outcomes received in a span that no candidate has, those of the log's other days among them.

    The days of the span are those whose outcomes were noted. Others are read from an attribution and a day before it
    to a day after it: an older impression's outcome counts for nothing. Without ``attribution`` in a task, it counts,
    and all days are read. Raises OSError.
    """
    import duckdb

    left = _unmatched(spec, STORED, f"ANTI JOIN {_MATCHED} USING ({KEY})", ("w", "received", "n"), span)
    if has_shown:
        same = f"ANTI JOIN {_MATCHED_SHOWN} USING ({KEY}, member, item)"
        left += " UNION ALL " + _unmatched(spec, BY_ID, same, ("s", "shown", "m"), span)
    connection.execute(f"CREATE TABLE {_LEFT} AS {left}")
    joined = {outcome_parts.day_of(time) for time in range(*span, DAY)}
    for day in sorted(_near(spec, log.days(), span) - joined, key=lambda day: (day > max(joined), day), reverse=True):
        if connection.execute(f"SELECT 1 FROM {_LEFT} LIMIT 1").fetchone() is None:
            break
        gone = f"DELETE FROM {_LEFT} WHERE {KEY} IN (SELECT impression FROM ("
        try:
            connection.execute(f"{gone}{log.impressions(day)}) WHERE impression IS NOT NULL)")
        except duckdb.Error:  # a part may be damaged in its middle
            connection.execute(f"{gone}{log.impressions(day, whole=True)}) WHERE impression IS NOT NULL)")
        log.close(day)
    counted = connection.execute(
        f"SELECT coalesce(sum(firsts), 0)::BIGINT, coalesce(sum(every), 0)::BIGINT FROM {_LEFT}"
    )
    firsts, every = counted.fetchone() or (0, 0)
    return OutcomeCounts(outcomes=every, orphan=firsts, duplicate=every - firsts)


def _near(spec: Spec, days: list[str], span: tuple[int, int]) -> set[str]:
    """The days whose impressions can have an outcome received in the span."""
    whole = not all(task.attribution_time for task in spec.tasks.values())
    first = "" if whole else outcome_parts.day_of(max(0, span[0] - spec.attribution - DAY))
    return {day for day in days if first <= day <= outcome_parts.day_of(span[1])}


def _unmatched(spec: Spec, table: str, matched: str, names: tuple[str, str, str], span: tuple[int, int]) -> str:
    """Statement with KEY and how many outcomes it has, of those whose first came in the span."""
    first, time, count = names
    tasks = range(len(spec.tasks))
    within = [f"coalesce({first}{one}.{time} >= {span[0]} AND {first}{one}.{time} < {span[1]}, false)" for one in tasks]
    firsts = " + ".join(f"({one})::INT" for one in within)
    every = " + ".join(f"CASE WHEN {one} THEN {count}{number} ELSE 0 END" for number, one in enumerate(within))
    return f"SELECT {KEY}, {firsts} AS firsts, {every} AS every FROM {table} {matched} WHERE {' OR '.join(within)}"
