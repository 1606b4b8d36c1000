"""Values of a category that no earlier day had."""

from collections.abc import Iterable

from monitoring.days import DaySummary
from monitoring.monitors.context import FEWEST_DAYS, Context, alarm, root_of, t_limit
from monitoring.verdict import Alarm, State

_LEAST, _LEARNED, _BROKEN = 0.001, 0.01, 0.3
"""Least share of new values that is worth a warning and a training, and from which on the column is broken."""
_NAMED = 5


def new_values(context: Context, name: str) -> list[Alarm]:
    """New values of a category: a warning, from 1 % of the rows on a reason to train, from 30 % on a broken column.

    The share of rows whose value is among the day's 200 most frequent and was so on no quiet day. Its limit is
    Student's prediction bound of the same share of quiet days, each against those before it, and at least 0.1 %.
    """
    column, known = context.newest.columns[name], known_values(context.quiet, name)
    rows = column["rows"] - column["missing"]
    if "values" not in column or not known or not rows:
        return []
    fresh = {value: count / rows for value, count in column["values"].items() if value not in known}
    share = sum(fresh.values())
    if share < _LEAST or share <= _limit(context, name):
        return []
    named = ", ".join(f"{value} ({fresh[value]:.2%})" for value in list(fresh)[:_NAMED])
    more = f" and {len(fresh) - _NAMED} more" if len(fresh) > _NAMED else ""
    state = State.DATA_FAULT if share >= _BROKEN else State.RETRAIN if share >= _LEARNED else State.WATCH
    return [alarm(context, "features.new_value", name, f"{name} has new values: {named}{more}", state, share=share)]


def known_values(days: Iterable[DaySummary], name: str) -> set[str]:
    """The values of a category that one of the days had."""
    return {value for day in days for value in day.columns.get(name, {}).get("values", ())}


def _limit(context: Context, name: str) -> float:
    seen, roots = set[str](), []
    for day in context.quiet:
        column = day.columns.get(name, {})
        if values := column.get("values"):
            fresh = sum(count for value, count in values.items() if value not in seen) / sum(values.values())
            roots.append(root_of(fresh))
            seen.update(values)
    roots = roots[FEWEST_DAYS:]
    if len(roots) < FEWEST_DAYS:
        return 0.0
    mean = sum(roots) / len(roots)
    variance = sum((root - mean) ** 2 for root in roots) / (len(roots) - 1)
    limit = mean + t_limit(2 * context.chance, len(roots) - 1) * float((variance * (1 + 1 / len(roots))) ** 0.5)
    return min(limit, 1.0) ** 2  # sin(x) <= x
