"""Predicted against observed rates."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from monitoring.days import ALL, DaySummary
from monitoring.monitors.context import Context, alarm, largest_version
from monitoring.monitors.profiled import profile_alarm, profile_of
from monitoring.statistics.calibration import Day, Finding, Reference, detect, learn
from monitoring.verdict import Alarm, State

_RECENT = 7
"""Days that the detector looks at; quiet days before them are its reference."""
_PRIMARY = 0.5
"""Share of the false alarms that the primary task over all surfaces may have; the other streams share the rest."""
_TRANSFER, _BAND = 0.05, 0.1
"""What is unknown of the ratio on served rows, from that of the evaluation: the standard error of its log, and the
least change that matters."""


def calibration(context: Context) -> list[Alarm]:
    """The ratio of predicted to observed rate has moved, by task and surface.

    A sequential test (``monitoring.statistics.calibration``): an e-detector over the last seven days of the version
    that serves, against mean, spread and weekday pattern of the ratio on quiet days before them. All streams together
    raise a false alarm every 2 x ``false_alarm_days`` quiet days at most, and changes within ``calibration_band`` do
    not matter. A version with fewer than 8 quiet days of its own has the reference of its evaluation's days (its
    profile), with an error of 5 % more, and changes within 10 % do not matter: a ratio that is wrong from the first day
    on is found, and a new calibration is not compared with the old one. A stream that the profile lacks has the quiet
    days of the versions before as its reference, until the version has quiet days of its own before the last seven.
    Days with a data fault, pending rows and fallbacks do not count.
    """
    every = _calm(context)
    own = every.of_champion() if context.newest.profile.get("version") == context.champion() else every
    recent = _recent(context)
    before = recent[0].day if recent else context.newest.day
    streams = [(task, surface) for task in context.newest.labels for surface in (ALL, *sorted(_surfaces(context)))]
    others = max(len(streams) - 1, 1)
    found = []
    for task, surface in streams:
        cell = context.newest.figure(task, surface)
        if cell is None or cell.settled < context.settings.fewest_rows:
            continue
        now = map_days([*recent, context.newest], task, surface)
        weight = _PRIMARY if (task, surface) == (context.primary, ALL) else (1 - _PRIMARY) / others
        judged = _judged(own, task, surface)
        reference, band = judged or (_learned((own, every), task, surface, before), context.settings.calibration_band)
        days = [one for _, one in now]
        result = detect(days, reference, 2 * context.settings.false_alarm_days, weight, band)[-1]
        if result.alarm:
            found.append(_alarm(context, task, surface, result, judged is not None))
    return found


def _calm(context: Context) -> Context:
    """The same with the quiet days that were well calibrated."""
    return replace(context, quiet=tuple(day for day in context.quiet if day.day not in context.miscalibrated))


def _learned(contexts: Iterable[Context], task: str, surface: str, before: str) -> Reference:
    """The reference of the quiet days before a day, of the first context that has any."""
    for one in contexts:
        if days := [day for name, day in map_days(one.quiet, task, surface) if name < before]:
            return learn(days)
    return learn([])


def _judged(context: Context, task: str, surface: str) -> tuple[Reference, float] | None:
    """The evaluation's reference and the band around it, while it stands for quiet days."""
    known = profile_of(context, "calibration", task, surface)
    if known is None:
        return None
    reference = Reference.from_json(known)
    wider = replace(reference, error=math.hypot(reference.error, _TRANSFER))
    return wider, max(_BAND, context.settings.calibration_band)


def map_days(days: Sequence[DaySummary], task: str, surface: str) -> list[tuple[str, Day]]:
    """The sums of a task and surface on each day that has them, with the day's name."""
    found = []
    for day in days:
        cell = day.figure(task, surface)
        if cell is not None:
            weekday = date.fromisoformat(day.day).weekday()
            found.append((day.day, Day(cell.settled, cell.expected, cell.positives, cell.variance, weekday)))
    return found


def _recent(context: Context) -> list[DaySummary]:
    """The last days with the version that serves, oldest first."""
    champion, newest = context.champion(), date.fromisoformat(context.newest.day)
    found: list[DaySummary] = []
    for day in reversed(context.earlier):
        old = (newest - date.fromisoformat(day.day)).days >= _RECENT
        if old or largest_version(day) != champion:
            break
        found.append(day)
    return found[::-1]


def _surfaces(context: Context) -> list[str]:
    return [name for name in context.newest.traffic["surfaces"] if name != ALL]


def _alarm(context: Context, task: str, surface: str, result: Finding, judged: bool) -> Alarm:
    before = "the evaluation" if judged else "quiet days"
    place = "" if surface == ALL else f" on {surface}"
    text = (
        f"{task}{place}: predicted / observed is {result.ratio:.3f}, {result.change:.3f} times what {before} had "
        f"({result.change_low:.3f} to {result.change_high:.3f})"
    )
    figures = {"ratio": result.ratio, "change": result.change, "low": result.change_low, "high": result.change_high}
    raised = profile_alarm if judged else alarm
    return raised(context, "calibration.ratio", f"{task}{place}", text, State.RECALIBRATE, **figures)
