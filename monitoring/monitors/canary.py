"""The canary against the champion, on the same traffic."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from monitoring.days import DaySummary
from monitoring.days.explored import canary_difference
from monitoring.monitors.context import Context, alarm
from monitoring.verdict import Alarm, State

_LOOKS = 30
"""Days over which a canary is looked at: each look gets this part of the level."""
_LEAST = 0.02
"""Least loss, as a share of the champion's rate."""
_TOGETHER = 0.9
"""Least share of two versions' rows that is in common hours, for figures that are of whole days."""


def canary(context: Context) -> list[Alarm]:
    """The canary's rate of the primary task is below the champion's, over all days since it began.

    Compared are the two versions that have the roles on the day, in the hours in which both served. After a promotion
    at noon and a new canary in the evening that is the new champion with the new canary, in the evening: neither the
    old champion, nor the rows that the new one had as a canary or before the new canary began.

    Daily differences with their errors between members are pooled by inverse variance. Where slates are in random
    order, the difference is that of the rates without exploration (``monitoring.statistics.snips``), of the days on
    which nine of ten rows are in common hours. The level is that of one test (``Context.chance``) over 30 looks; the
    loss must be 2 % of the champion's rate.
    """
    champion, other = context.roles.get("champion"), context.roles.get("canary")
    if not champion or not other:
        return []
    days = [(day, one) for day in _days(context) for one in _differences(day, context.primary, champion, other)]
    if not days or days[-1][0] is not context.newest:
        return []
    found = _without_exploration(context.primary, days, champion, other) or _pooled([one for _, one in days])
    reach = _normal_limit(context.chance / _LOOKS) * found.error
    if found.loss <= max(reach, _LEAST * found.rate):
        return []
    text = (
        f"Canary {other}: {context.primary} rate{found.words} {found.loss:.4f} below that of {champion} "
        f"({found.rate:.4f}), {found.days} days"
    )
    figures = {"difference": -found.loss, "low": -found.loss - reach, "high": -found.loss + reach}
    figures |= {"champion": found.rate, **found.sizes}
    return [alarm(context, "canary.rate", other, text, State.ROLL_BACK, **figures)]


class _Found(NamedTuple):
    loss: float
    """The champion's rate minus the canary's."""
    rate: float
    """The champion's."""
    error: float
    days: int
    words: str = ""
    sizes: Mapping[str, float] = {}


def _days(context: Context) -> tuple[DaySummary, ...]:
    return (*context.earlier, context.newest)


def _pooled(pairs: Sequence[Mapping[str, float]]) -> _Found:
    weights = np.array([1 / one["error"] ** 2 for one in pairs])
    loss = -float((weights * [one["difference"] for one in pairs]).sum() / weights.sum())
    rate = float((weights * [one["champion_rate"] for one in pairs]).sum() / weights.sum())
    return _Found(loss, rate, float(weights.sum() ** -0.5), len(pairs))


def _without_exploration(
    task: str, days: Sequence[tuple[DaySummary, Mapping[str, float]]], champion: str, other: str
) -> _Found | None:
    """None where there is too little for an estimate: its sums are of whole days, not of hours."""
    sections = [day.explored.get(task, {}) for day, one in days if one["together"] >= _TOGETHER]
    found = canary_difference(sections, champion, other)
    if found is None:
        return None
    sizes = {"champion_size": found.champion_size, "canary_size": found.canary_size, "refused": float(found.refused)}
    difference = found.difference
    return _Found(-difference.value, found.champion, difference.error, found.days, " without exploration", sizes)


def _differences(day: DaySummary, task: str, champion: str, other: str) -> list[dict[str, float]]:
    """The day's difference of the two, canary minus champion, whichever of them served more; no other pair's."""
    found = []
    for one in day.canaries:
        pair = (one["champion"], one["canary"])
        if one["task"] != task or not one["error"] or pair not in ((champion, other), (other, champion)):
            continue
        rate, difference = one["champion_rate"], one["difference"]
        if pair[0] == other:
            rate, difference = rate + difference, -difference
        together = one.get("together", 1.0)  # summaries of older releases lack it
        found.append({"champion_rate": rate, "difference": difference, "error": one["error"], "together": together})
    return found


def _normal_limit(chance: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(chance / 2))
