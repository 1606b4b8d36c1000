"""The outcomes that came back."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from monitoring.days import ALL, DaySummary
from monitoring.monitors.context import Context, alarm, change, grown_share, log_of
from monitoring.monitors.profiled import profile_alarm, profile_of
from monitoring.verdict import Alarm, State

_FEWEST = 50
"""Positives whose delays make a curve."""
_SLOWER = 0.7
"""Least change of the mean bin of the delays; two neighboring bins differ by a factor of about two."""
_SLOWER_THAN_TRAINING = 2.5
"""The same above the train window's: there, all outcomes of an impression are known at one time."""
_LATE = 0.05
_PENDING = 0.5
"""Rates of a day with more pending rows are not judged."""
_HALF = math.log(2)
_SHARES = (
    ("orphan", "labels.orphan", 0.05, State.DATA_FAULT, "outcomes belong to no served impression"),
    ("skewed", "labels.clock", 0.02, State.DATA_FAULT, "outcomes have an impossible time"),
    ("duplicate", "labels.duplicate", 0.02, State.WATCH, "outcomes came twice; the first one counts"),
)
"""Count of the join, cause, least growth of its share of the outcomes, state, words."""


def labels(context: Context) -> list[Alarm]:
    """Outcomes that are late, missing, too many, doubled, of an unknown impression, or from a wrong clock.

    Late: the mean place of the positives on the delay curve, and the share of outcomes after the attribution. Missing:
    less than half of the expected rate of positives, or hours in a row without any; too many: more than twice the
    rate. Smaller changes are the layer calibration's. Limits are learned from quiet days (Student's t, by weekday and
    trend); hours without a positive need odds of the square of the test's level, since days differ more than Poisson.
    Before limits are learned, the version's profile stands for quiet days. Late: two and a half bins above the delay of
    the train window. Missing or too many: beyond half or twice of both the rate of every train day and the rate that
    the version predicts for these rows, by an exact Poisson test at ``Context.chance``; a ranker shows other items than
    those before it, of which its predictions tell.
    """
    found = []
    for task in context.newest.labels:
        found += _delay(context, task)
    found += _late(context)
    if all(map(context.accepts, found)):
        for task, surfaces in context.newest.labels.items():
            found += [one for surface in sorted(surfaces) for one in _rate(context, task, surface)] or _hours(
                context, task
            )
    for name, cause, least, state, words in _SHARES:
        grown = grown_share(context, partial(_share, name), least)
        if grown:
            text = f"{grown[0]:.1%} of the {words}; expected {grown[1]:.1%}"
            found.append(alarm(context, cause, "", text, state, share=grown[0], expected=grown[1]))
    return found


def _share(name: str, day: DaySummary) -> float | None:
    outcomes = day.log.get("outcomes", 0)
    return day.log.get(name, 0) / outcomes if outcomes >= _FEWEST else None


def _delay(context: Context, task: str) -> list[Alarm]:
    bins = np.array(context.newest.labels[task][ALL]["delay"])
    if bins.sum() < _FEWEST:
        return []
    places = np.arange(len(bins))
    error = float(np.sqrt(np.cov(places, fweights=bins) / bins.sum()))
    trained = profile_of(context, "delay", task)
    if trained:
        return _slower_than_training(context, task, _mean_of(trained), error)
    slower = change(context, lambda day: _mean_bin(day, task), _SLOWER, error)
    if slower is None or not (slower.up or slower.down):
        return []
    text = f"{task}: outcomes come {'later' if slower.up else 'earlier'} than usual: mean bin of the delay "
    text += f"{slower.value:.1f}, expected {slower.expected:.1f}"
    figures = {"bin": slower.value, "expected": slower.expected}
    return [alarm(context, "labels.delay", task, text, State.DATA_FAULT, **figures)]


def _mean_bin(day: DaySummary, task: str) -> float | None:
    return _mean_of(day.labels.get(task, {}).get(ALL, {}).get("delay", ()))


def _mean_of(counts: Sequence[int]) -> float | None:
    bins = np.array(counts)
    return float((np.arange(len(bins)) * bins).sum() / bins.sum()) if bins.sum() >= _FEWEST else None


def _slower_than_training(context: Context, task: str, before: float | None, error: float) -> list[Alarm]:
    from scipy.special import ndtri

    now, reach = _mean_bin(context.newest, task), -float(ndtri(context.chance)) * error
    if now is None or before is None or now - before <= _SLOWER_THAN_TRAINING + reach:
        return []
    text = f"{task}: outcomes come later than in training: mean bin of the delay {now:.1f}, {before:.1f} there"
    figures = {"bin": now, "expected": before}
    return [profile_alarm(context, "labels.delay", task, text, State.DATA_FAULT, **figures)]


def _late(context: Context) -> list[Alarm]:
    grown = grown_share(context, partial(_share, "late"), _LATE)
    if not grown:
        return []
    text = f"{grown[0]:.1%} of the outcomes came after the attribution had passed; expected {grown[1]:.1%}"
    return [alarm(context, "labels.delay", "", text, State.DATA_FAULT, share=grown[0], expected=grown[1])]


def _settled(day: DaySummary, task: str, surface: str, fewest: int) -> dict[str, int] | None:
    cell = day.labels.get(task, {}).get(surface)
    enough = cell and cell["settled"] >= fewest and day.log.get("pending", 0) <= _PENDING * day.rows
    return dict(cell) if cell and enough else None


def _rate(context: Context, task: str, surface: str) -> list[Alarm]:
    def figure(day: DaySummary) -> float | None:
        cell = _settled(day, task, surface, context.settings.fewest_rows)
        return log_of((cell["positives"] + 0.5) / (cell["settled"] + 1)) if cell else None

    now = _settled(context.newest, task, surface, context.settings.fewest_rows)
    if now is None:
        return []
    trained = profile_of(context, "labels", task, surface)
    if trained:
        return _unlike_training(context, task, surface, trained)
    past = [math.exp(one) for one in map(figure, context.quiet) if one is not None]
    error = 1 / math.sqrt(now["settled"] * sum(past) / len(past) + 1) if past else 0.0
    other = change(context, figure, _HALF, error)
    if other is None or not (other.up or other.down):
        return []
    rate, expected = now["positives"] / now["settled"], math.exp(other.expected)
    cause = "labels.surplus" if other.up else "labels.missing"
    place = "" if surface == ALL else f" on {surface}"
    text = f"{task}{place}: {rate:.2%} of the settled rows are positive, expected {expected:.2%}"
    return [alarm(context, cause, f"{task}{place}", text, State.DATA_FAULT, rate=rate, expected=expected)]


def _unlike_training(context: Context, task: str, surface: str, trained: Sequence[float]) -> list[Alarm]:
    """A rate far from that of every train day, and from the one that the version predicts for the same rows."""
    from scipy.special import pdtr, pdtrc

    cell = context.newest.figure(task, surface, context.champion())
    if cell is None or cell.settled < context.settings.fewest_rows:
        return []
    predicted = cell.expected / cell.settled
    low, high = min(*trained, predicted), max(*trained, predicted)
    if pdtr(cell.positives, cell.settled * low / 2) <= context.chance:
        cause = "labels.missing"
    elif cell.positives and pdtrc(cell.positives - 1, 2 * cell.settled * high) <= context.chance:
        cause = "labels.surplus"
    else:
        return []
    rate, place = cell.positives / cell.settled, "" if surface == ALL else f" on {surface}"
    text = f"{task}{place}: {rate:.2%} of the settled rows are positive; {trained[0]:.2%} to {trained[1]:.2%} on the "
    text += f"days of training, and {predicted:.2%} predicted"
    figures = {"rate": rate, "low": low, "high": high}
    return [profile_alarm(context, cause, f"{task}{place}", text, State.DATA_FAULT, **figures)]


def _hours(context: Context, task: str) -> list[Alarm]:
    if _settled(context.newest, task, ALL, context.settings.fewest_rows) is None or not context.quiet:
        return []
    past = np.array([day.labels[task][ALL]["hours"] for day in context.quiet if task in day.labels])
    settled, positives = np.array(context.newest.labels[task][ALL]["hours"])
    if not len(past):
        return []
    expected = settled * past[:, 1].sum(axis=0) / np.maximum(past[:, 0].sum(axis=0), 1)
    longest, start, lost = 0.0, 0, 0.0
    for hour in range(len(settled)):
        lost = lost + expected[hour] if positives[hour] == 0 else 0.0
        if lost > longest:
            longest, start = float(lost), hour
    if longest <= -2 * math.log(context.chance):
        return []
    text = f"{task}: no positive outcome of the hours up to {start}:59, expected {longest:.0f}"
    return [alarm(context, "labels.missing", task, text, State.DATA_FAULT, expected=longest)]
