"""Who was served what, where, when and by which version."""

import math
from functools import partial

import numpy as np

from monitoring.days import DaySummary
from monitoring.monitors.context import Context, alarm, change, grown_share
from monitoring.monitors.distances import nearest, variation
from monitoring.verdict import Alarm, State

_GONE = math.log(10)
"""A surface is gone with less than a tenth of its rows."""
_HALF = math.log(2)
_LEAST = {"member": 0.05, "item": 0.15}
"""Least growth of the share of the most frequent member and item."""
_HOURS = 0.2
"""Least total variation of the rows by hour of the day."""


def traffic(context: Context) -> list[Alarm]:
    """A surface gone or unknown, a member or an item with an impossible share, odd hours, a version gone, fewer rows.

    Rows by surface are compared as logarithms with limits learned from quiet days by weekday and trend; a surface is
    gone with less than a tenth of the expected rows. Shares of the most frequent member and item have learned limits,
    too. A version is gone where chance would not leave it without a slate. Hours of the day, without those that the
    day has twice or not at all since its clocks are changed: the total variation from the most similar quiet day,
    against that of quiet days.
    """
    if context.newest.rows < context.settings.fewest_rows:
        return []
    return [*_surfaces(context), *_shares(context), *_hours(context), *_versions(context), *_rows(context)]


def _surfaces(context: Context) -> list[Alarm]:
    now, found = context.newest.traffic["surfaces"], []
    known = {name for day in context.quiet for name, rows in day.traffic["surfaces"].items() if rows}
    for name in sorted(known):

        def figure(day: DaySummary, name: str = name) -> float:
            return math.log1p(day.traffic["surfaces"].get(name, 0))

        fewer = change(context, figure, _GONE)
        if fewer and fewer.down:
            text = f"Surface {name}: {now.get(name, 0):,} rows, expected {math.expm1(fewer.expected):,.0f}"
            rows, expected = now.get(name, 0), math.expm1(fewer.expected)
            found.append(alarm(context, "traffic.surface", name, text, State.DATA_FAULT, rows=rows, expected=expected))
    for name in sorted(set(now) - known - set(context.surfaces)):
        text = f"Surface {name}: {now[name]:,} rows, not a surface of the spec"
        found.append(alarm(context, "traffic.surface", name, text, State.DATA_FAULT, rows=now[name], expected=0))
    return found


def _shares(context: Context) -> list[Alarm]:
    found = []
    for side, least in _LEAST.items():
        grown = grown_share(context, partial(_most, side), least)
        if grown:
            who = context.newest.traffic[side]["most"]
            text = (
                f"The {side} {who} has {grown[0]:.1%} of the rows; the most frequent one was expected at {grown[1]:.1%}"
            )
            figures = {"share": grown[0], "expected": grown[1]}
            found.append(alarm(context, f"traffic.{side}", str(who), text, State.DATA_FAULT, **figures))
    return found


def _most(side: str, day: DaySummary) -> float | None:
    return day.traffic[side]["share"] if day.rows else None


def _hours(context: Context) -> list[Alarm]:
    def shares(day: DaySummary) -> np.ndarray | None:
        rows = np.delete(day.traffic["hours"], context.odd_hours)
        return rows / rows.sum() if rows.sum() >= context.settings.fewest_rows else None

    odd = nearest(context, shares, variation, _HOURS)
    if odd is None:
        return []
    text = f"The hours of the day have other shares of the rows: total variation {odd[0]:.2f}, limit {odd[1]:.2f}"
    return [alarm(context, "traffic.hours", "", text, State.DATA_FAULT, distance=odd[0], limit=odd[1])]


def _versions(context: Context) -> list[Alarm]:
    past = context.quiet[-3:]
    always = set.intersection(*(set(day.traffic["versions"]) for day in past)) if past else set()
    found = []
    for version in sorted(always - set(context.newest.traffic["versions"])):
        share = sum(day.traffic["versions"][version] for day in past) / sum(day.rows for day in past)
        if (1 - share) ** context.newest.serving["slates"] > context.chance:  # few slates may all be another's
            continue
        serves = version in (context.roles.get("champion"), context.roles.get("canary"))
        state = State.DATA_FAULT if serves else State.WATCH
        text = f"Version {version} has no rows any more" + (", although it should serve" if serves else "")
        found.append(alarm(context, "traffic.version", version, text, state))
    return found


def _rows(context: Context) -> list[Alarm]:
    other = change(context, lambda day: math.log1p(day.rows), _HALF)
    if other is None or not (other.up or other.down):
        return []
    text = f"{context.newest.rows:,} rows, expected {math.expm1(other.expected):,.0f}"
    figures = {"rows": float(context.newest.rows), "expected": math.expm1(other.expected)}
    return [alarm(context, "traffic.rows", "", text, State.WATCH, **figures)]
