"""The features that the version read, column by column."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from monitoring.days import DaySummary
from monitoring.monitors.context import Context, alarm, grown_share
from monitoring.monitors.distances import nearest, variation, wasserstein
from monitoring.monitors.drift import drift
from monitoring.monitors.new_values import known_values, new_values
from monitoring.monitors.profiled import unlike_training
from monitoring.verdict import Alarm, State

_NULL, _INFINITE = 0.02, 0.001
"""Least growth of the share of rows without a value, and with an infinity."""
_LOST = 0.5
"""A node's feature is lost, not just unknown of new members and items, from this share of rows without a value on."""
_CONSTANT, _VARIED = 0.999, 0.95
"""A column is constant from this share of its most frequent value on, if that was below the other one before."""
_SHIFT = {"number": 0.12, "category": 0.06}
"""Least distance: Wasserstein in standard deviations, total variation."""
_FAR = 10.0
_NORMAL_SPAN = 2.5631
"""Standard deviations between the quantiles of 10 and 90 % of a normal distribution."""


def features(context: Context) -> list[Alarm]:
    """Columns with nulls or infinities, constant, of another type, with new values, or with another distribution.

    Shares without a value have limits learned from quiet days (Student's t, by weekday and trend) and must grow by two
    points (infinities: 0.1). A column is constant with 99.9 % of one value, where every quiet day had less than 95 %.
    Shift: Wasserstein distance of numbers (in standard deviations), total variation of categories, from the most
    similar quiet day, against the same distance of quiet days (``distances.nearest``). New values: ``new_values``.
    A column that is broken in one of the first ways is not compared further. Slow changes: ``drift``. Before limits are
    learned: ``unlike_training``.
    """
    found = []
    for name in sorted(context.newest.columns):
        if context.newest.columns[name]["rows"] >= context.settings.fewest_rows:
            changed = unlike_training(context, name) or _broken(context, name)
            changed = changed or _moved(context, name)
            found += changed or drift(context, name)
    return found


def _moved(context: Context, name: str) -> list[Alarm]:
    """Other values than before; of a node's feature it is a warning only, since content and people do change."""
    found = [*new_values(context, name), *_shift(context, name)]
    warned = context.newest.columns[name].get("node", False)
    return [replace(one, state=State.WATCH) for one in found] if warned else found


def _broken(context: Context, name: str) -> list[Alarm]:
    found = []
    for key, least in (("missing", _NULL), ("infinite", _INFINITE)):

        def share(day: DaySummary, key: str = key) -> float | None:
            column = day.columns.get(name)
            return column[key] / column["rows"] if column and column["rows"] else None

        grown = grown_share(context, share, least)
        if grown:
            what, cause = ("without a value", "null") if key == "missing" else ("infinite", "infinite")
            text = f"{name}: {grown[0]:.1%} of the rows {what}; expected {grown[1]:.1%}"
            figures = {"share": grown[0], "expected": grown[1]}
            new = key == "missing" and context.newest.columns[name].get("node", False) and grown[0] < _LOST
            state = State.WATCH if new else State.DATA_FAULT
            found.append(alarm(context, f"features.{cause}", name, text, state, **figures))
    column = context.newest.columns[name]
    past = [day.columns[name] for day in context.quiet if name in day.columns]
    before = max((one["most"] for one in past), default=1.0)
    if not found and column["most"] >= _CONSTANT and before < _VARIED:
        text = f"{name}: all rows have one value; before, the most frequent one had {before:.0%} of the rows at most"
        found.append(alarm(context, "features.constant", name, text, State.DATA_FAULT, before=before))
    kinds = {one["kind"] for one in past}
    if not found and kinds and column["kind"] not in kinds:
        text = f"{name} is a {column['kind']} now, and was a {', '.join(sorted(kinds))}"
        found.append(alarm(context, "features.type", name, text, State.DATA_FAULT))
    return found


def _shift(context: Context, name: str) -> list[Alarm]:
    kind = context.newest.columns[name]["kind"]
    if kind == "number":
        far = nearest(context, _quantiles(context, name), wasserstein, _SHIFT[kind])
        measure = "standard deviations (Wasserstein)"
    else:
        far = nearest(context, _shares(context, name), variation, _SHIFT[kind])
        measure = "total variation"
    if far is None:
        return []
    text = (
        f"{name} has another distribution than on any quiet day: {min(far[0], _FAR):.2f} {measure}, limit {far[1]:.2f}"
    )
    return [alarm(context, "features.shift", name, text, State.DATA_FAULT, distance=far[0], limit=far[1])]


def _quantiles(context: Context, name: str) -> Callable[[DaySummary], np.ndarray | None]:
    """The quantiles of a day in standard deviations of the quiet days."""
    past = [np.array(day.columns[name]["quantiles"]) for day in context.quiet if _has_quantiles(day, name)]
    scale = float(np.mean([(one[29] - one[3]) / _NORMAL_SPAN or one.std() for one in past])) if past else 0.0
    scale = scale or 1e-9

    def figure(day: DaySummary) -> np.ndarray | None:
        return np.array(day.columns[name]["quantiles"]) / scale if _has_quantiles(day, name) else None

    return figure


def _has_quantiles(day: DaySummary, name: str) -> bool:
    return bool(day.columns.get(name, {}).get("quantiles"))


def _shares(context: Context, name: str) -> Callable[[DaySummary], np.ndarray | None]:
    """The shares of the values that quiet days had, and of all others together; new values are left out."""
    known = sorted(known_values(context.quiet, name))

    def figure(day: DaySummary) -> np.ndarray | None:
        column = day.columns.get(name)
        if not column or "values" not in column:
            return None
        counts = np.array([column["values"].get(value, 0) for value in known], dtype=np.float64)
        rest = column["rows"] - column["missing"] - sum(column["values"].values())
        total = counts.sum() + rest
        return np.append(counts, rest) / total if total else None

    return figure
