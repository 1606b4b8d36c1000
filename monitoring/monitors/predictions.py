"""The probabilities that were served."""

import math
from collections.abc import Mapping, Sequence

from monitoring.days import ALL, DaySummary
from monitoring.monitors.context import Context, alarm, change, log_of
from monitoring.monitors.profiled import profile_alarm, profile_of
from monitoring.verdict import Alarm, State

Judged = Mapping[str, Sequence[float]]
"""``VersionProfile.predictions`` of a task and surface."""
_INVALID = 0.001
_CONSTANT, _VARIED = 0.9, 0.5
"""Probabilities are constant from this share of the most frequent one on, if it was below the other one before."""
_LEAST = math.log(1.1)
"""Least change of the mean probability and of the spread of its log odds."""
_NEW = math.log(1.5)
"""The same while the version that serves is too new to have limits of its own: it may predict better than the last."""
_JUDGED = math.log(3)
"""The same from what the evaluation had: there, items were shown that a ranker would not have chosen."""


def predictions(context: Context) -> list[Alarm]:
    """Probabilities that are none, that are constant, or whose mean or spread has moved, by task and surface.

    Invalid: more than 0.1 % of the rows without a probability between 0 and 1, which no quiet day has. Constant: 90 %
    with one value, where every quiet day had less than half. Mean and spread of the log odds are compared as logarithms
    with limits learned from quiet days of the version that serves (Student's t, by weekday and trend); they must change
    by a tenth. A version with too few days of its own is compared with those before it, and must differ by half; from
    what the days of its evaluation had (its profile), too: a new calibration predicts otherwise. Before limits are
    learned the evaluation stands for quiet days (the version's profile): the mean over impressions, and the
    spread, must be three times beyond its days, which needs no test; invalid and constant as above.
    """
    found = []
    for task, surfaces in context.newest.predictions.items():
        if surfaces[ALL]["rows"] < context.settings.fewest_rows:
            continue
        broken = [*_invalid(context, task), *_constant(context, task)]
        found += broken or [
            one for surface in sorted(surfaces, key=_whole_first) for one in _moved(context, task, surface)
        ]
    return found


def _whole_first(surface: str) -> tuple[bool, str]:
    return surface != ALL, surface


def _invalid(context: Context, task: str) -> list[Alarm]:
    now = context.newest.predictions[task][ALL]
    share = now["invalid"] / now["rows"]
    past = [day.predictions.get(task, {}).get(ALL) for day in context.quiet]
    before = max((one["invalid"] / one["rows"] for one in past if one and one["rows"]), default=0.0)
    if share <= max(_INVALID, 2 * before):
        return []
    text = f"{task}: {share:.1%} of the rows have no probability between 0 and 1"
    raised = alarm if profile_of(context, "predictions", task, ALL) is None else profile_alarm
    return [raised(context, "predictions.invalid", task, text, State.ROLL_BACK, share=share, expected=before)]


def _constant(context: Context, task: str) -> list[Alarm]:
    now = context.newest.predictions[task][ALL]["most"]
    judged = profile_of(context, "predictions", task, ALL)
    past = [day.predictions.get(task, {}).get(ALL, {}).get("most", 0.0) for day in context.quiet]
    past = past if judged is None else [judged["most"]]
    if not past or now < _CONSTANT or max(past) >= _VARIED:
        return []
    text = f"{task}: {now:.1%} of the rows have the same probability; at most {max(past):.1%} had before"
    raised = alarm if judged is None else profile_alarm
    return [raised(context, "predictions.constant", task, text, State.ROLL_BACK, share=now, expected=max(past))]


def _moved(context: Context, task: str, surface: str) -> list[Alarm]:
    if context.newest.predictions[task][surface]["rows"] < context.settings.fewest_rows:
        return []
    judged_at = profile_of(context, "predictions", task, surface)
    if judged_at is not None:
        return _beyond(context, task, surface, judged_at)
    found, own = [], context.of_champion()
    is_new = not own.learned and own.quiet != context.quiet
    judged, least = (context, _NEW) if is_new else (own, _LEAST)
    as_judged = profile_of(own, "predictions", task, surface) if is_new else None
    if is_new and as_judged is None and profile_of(own, "predictions", task, ALL) is not None:
        return []  # too few rows of the surface in the evaluation: all surfaces together are compared
    for figure, words in (("mean", "mean probability"), ("spread", "spread of the log odds")):

        def value(day: DaySummary, figure: str = figure) -> float | None:
            return log_of(day.predictions.get(task, {}).get(surface, {}).get(figure))

        moved = change(judged, value, least)
        expected = _within(as_judged, figure, _as_in_evaluation(context, task, surface, figure), _NEW)
        if moved and (moved.up or moved.down) and not expected:
            now, before = math.exp(moved.value), math.exp(moved.expected)
            place = "" if surface == ALL else f" on {surface}"
            text = f"{task}{place}: {words} {now:.4f}, expected {before:.4f}"
            figures = {"value": now, "expected": before}
            subject = task if surface == ALL else f"{task} on {surface}"
            found.append(alarm(context, "predictions.shift", subject, text, State.ROLL_BACK, **figures))
    return found


def _beyond(context: Context, task: str, surface: str, judged: Judged) -> list[Alarm]:
    """Mean or spread far outside of what the days of the evaluation had."""
    found = []
    for name, words in (("mean", "mean probability of impressions"), ("spread", "spread of the log odds")):
        now = _as_in_evaluation(context, task, surface, name)
        if now is None or min(judged[name], default=0.0) <= 0 or _within(judged, name, now, _JUDGED):
            continue
        (low, high), subject = judged[name], task if surface == ALL else f"{task} on {surface}"
        text = f"{subject}: {words} {now:.4f}; {low:.4f} to {high:.4f} on the days of the evaluation"
        figures = {"value": now, "low": low, "high": high}
        found.append(profile_alarm(context, "predictions.shift", subject, text, State.ROLL_BACK, **figures))
    return found


def _as_in_evaluation(context: Context, task: str, surface: str, name: str) -> float | None:
    """The champion's mean over rows with a label, which are impressions like those of the evaluation; the spread."""
    if name == "spread":
        spread: float | None = context.newest.predictions[task][surface][name]
        return spread
    cell = context.newest.figure(task, surface, context.champion())
    return cell.expected / cell.settled if cell and cell.settled >= context.settings.fewest_rows else None


def _within(judged: Judged | None, name: str, now: float | None, least: float) -> bool:
    """Whether a figure is no further than ``least`` (of its log) from what the days of the evaluation had."""
    ends = [log_of(one) for one in (judged or {}).get(name, ())]
    value = log_of(now)
    if value is None or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return False
    return ends[0] - least <= value <= ends[1] + least
