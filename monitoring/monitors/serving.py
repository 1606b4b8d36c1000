"""How slates were served: fallbacks, cold members and items, what was too old, latency."""

import math
from functools import partial

from monitoring.days import DaySummary
from monitoring.monitors.context import Context, alarm, change, grown_share, log_of
from monitoring.monitors.profiled import profile_alarm, profile_of
from monitoring.verdict import Alarm, State

_LEAST = {"fallback": 0.05, "member_cold": 0.1, "item_cold": 0.1}
"""Least growth of a share of the rows."""
_STALE = 0.1
_COLDER = 0.3
"""Least growth of a share of cold rows above that of the train window."""
_SLOWER = math.log(2)
_WORDS = {
    "fallback": "without features, by popularity",
    "member_cold": "to a cold member",
    "item_cold": "of a cold item",
}


def serving(context: Context) -> list[Alarm]:
    """More fallbacks, cold members or items, stale reads, or twice the latency.

    Shares have limits learned from quiet days (regression on weekday and trend, Student's t), and must grow by at least
    5 (fallback) or 10 points. Cold members and items are those of rows that are no fallbacks. The median and the 99 %
    quantile of the latency are compared as logarithms. Before limits are learned, the share of cold members and items
    must be 30 points above the version's profile: that of impressions in the train window whose member or item no
    earlier day of it had, which is rather too high. Fallbacks, which no version is meant to have, must be half of the
    rows more than on the days so far.
    """
    found = _colder(context)
    colder = {one.subject for one in found}
    for name, least in _LEAST.items():
        grown = None if name in colder else grown_share(context, partial(_share, name), least)
        if grown:
            cause = "serving.fallback" if name == "fallback" else "serving.cold"
            text = f"{grown[0]:.1%} of the rows were served {_WORDS[name]}; expected {grown[1]:.1%}"
            raised = profile_alarm if name == "fallback" and profile_of(context, "version") else alarm
            found.append(raised(context, cause, name, text, State.DATA_FAULT, share=grown[0], expected=grown[1]))
    for kind in sorted(context.newest.serving["stale"]):
        grown = grown_share(context, partial(_stale, kind), _STALE)
        if grown:
            text = f"{grown[0]:.1%} of the rows were served with {kind} that were too old; expected {grown[1]:.1%}"
            found.append(
                alarm(context, "serving.stale", kind, text, State.DATA_FAULT, share=grown[0], expected=grown[1])
            )
    return found + _latency(context)


def _colder(context: Context) -> list[Alarm]:
    """More cold members or items than in training, from the version's first day on."""
    found = []
    for role in ("member", "item"):
        name, before = f"{role}_cold", profile_of(context, "cold", role)
        now = _share(name, context.newest)
        if before is not None and now is not None and now - before >= _COLDER:
            text = f"{now:.1%} of the rows were served {_WORDS[name]}; {before:.1%} of the impressions in training"
            figures = {"share": now, "expected": before}
            found.append(profile_alarm(context, "serving.cold", name, text, State.DATA_FAULT, **figures))
    return found


def _share(name: str, day: DaySummary) -> float | None:
    return day.serving[name] if day.rows else None


def _stale(kind: str, day: DaySummary) -> float | None:
    return day.serving["stale"].get(kind, 0.0) if day.rows else None


def _latency(context: Context) -> list[Alarm]:
    found = []
    for part in sorted(context.newest.serving["latency"]):

        def figure(day: DaySummary, part: str = part) -> float | None:
            return log_of(day.serving["latency"].get(part))

        slower = change(context, figure, _SLOWER)
        if slower and slower.up:
            now, before = math.exp(slower.value), math.exp(slower.expected)
            text = f"{part} of the latency: {now:.3f} s, expected {before:.3f} s"
            found.append(alarm(context, "serving.latency", part, text, State.WATCH, seconds=now, expected=before))
    return found
