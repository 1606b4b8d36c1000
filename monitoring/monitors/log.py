"""The served log itself: is it there, whole, and of this day?"""

from models.columns import PROBABILITY
from monitoring.days import DaySummary
from monitoring.monitors.context import FEWEST_DAYS, Context, alarm, grown_share
from monitoring.verdict import Alarm, State

_LEAST = 0.002
"""Least share of the rows that is worth an alarm."""
_FEWEST = 20
"""Fewest rows or lines of such a share."""
_OUTCOMES = ("label_", "happened_")


def log(context: Context) -> list[Alarm]:
    """Empty log, impossible clock, torn lines, a column that is gone.

    An empty log and a column without any value are certain, and never happen on a quiet day by chance: the column had
    values on every quiet day. Shares of torn lines and of rows that are not of the day have limits learned from quiet
    days, and at least 0.2 %. Days with fewer than ``fewest_rows`` are a warning, and nothing else is judged of them.
    """
    day = context.newest
    found = [
        *_share(context, "clock", "log.clock", "rows have a time that is not of this day"),
        *_share(context, "torn", "log.torn", "lines of the log could not be read"),
    ]
    if not all(map(context.accepts, found)):
        return found
    if not day.rows:
        state = State.DATA_FAULT if any(one.rows for one in context.earlier) else State.WATCH
        return [*found, alarm(context, "log.empty", "", "The log has no rows of this day", state)]
    if day.rows < context.settings.fewest_rows:
        text = f"The log has {day.rows:,} rows of this day; {context.settings.fewest_rows:,} are needed to judge it"
        return [*found, alarm(context, "log.few_rows", "", text, State.WATCH, rows=day.rows)]
    return [*found, *_gone(context)]


def _share(context: Context, count: str, cause: str, what: str) -> list[Alarm]:
    def share(day: DaySummary) -> float:
        found = day.log.get(count, 0)
        return found / max(found + day.rows, 1)

    grown = grown_share(context, share, _LEAST)
    if grown is None or context.newest.log[count] < _FEWEST:
        return []
    now, before = grown
    text = f"{context.newest.log[count]:,} {what}: {now:.1%}, expected {before:.2%}"
    return [alarm(context, cause, "", text, State.DATA_FAULT, share=now, expected=before)]


def _gone(context: Context) -> list[Alarm]:
    day, past = context.newest, context.quiet[-FEWEST_DAYS:]
    if not past:
        return []
    always = set.intersection(*(set(one.log["columns"]) for one in past))
    gone = sorted(name for name in always - set(day.log["columns"]) if not name.startswith(_OUTCOMES))
    features = {name for one in past for name in one.columns}
    gone = [name for name in gone if name not in features or name in context.features]  # a spec may drop a feature
    tasks = {name for name in gone if name.startswith(PROBABILITY)}  # a spec may drop a task
    gone = [name for name in gone if name not in tasks or name.removeprefix(PROBABILITY) in day.predictions]
    if not context.explores:  # a spec may end its exploration
        gone = [name for name in gone if name != "propensity"]
    if day.rows * (1 - day.serving["fallback"]) < context.settings.fewest_rows:  # a fallback has no features
        gone = [name for name in gone if name not in features]
    return [
        alarm(context, "log.column", name, f"{name} has no value in any row of the log", State.DATA_FAULT)
        for name in gone
    ]
