"""The canary against the champion, on the same traffic."""

import numpy as np

from monitoring.days import DaySummary
from monitoring.monitors.context import Context, alarm
from monitoring.verdict import Alarm, State

_LOOKS = 30
"""Days over which a canary is looked at: each look gets this part of the level."""
_LEAST = 0.02
"""Least loss, as a share of the champion's rate."""


def canary(context: Context) -> list[Alarm]:
    """The canary's rate of the primary task is below the champion's, over all days since it began.

    Compared are the two versions that have the roles on the day, in the hours in which both served. After a promotion
    at noon and a new canary in the evening that is the new champion with the new canary, in the evening: neither the
    old champion, nor the rows that the new one had as a canary or before the new canary began.

    Daily differences with their errors between members are pooled by inverse variance. The level is that of one test
    (``Context.chance``) over 30 looks; the loss must be 2 % of the champion's rate.
    """
    champion, other = context.roles.get("champion"), context.roles.get("canary")
    if not champion or not other:
        return []
    days = (*context.earlier, context.newest)
    pairs = [one for day in days for one in _differences(day, context.primary, champion, other)]
    if not pairs or not _differences(context.newest, context.primary, champion, other):
        return []
    weights = np.array([1 / one["error"] ** 2 for one in pairs])
    loss = -float((weights * [one["difference"] for one in pairs]).sum() / weights.sum())
    rate = float((weights * [one["champion_rate"] for one in pairs]).sum() / weights.sum())
    reach = _normal_limit(context.chance / _LOOKS) / float(np.sqrt(weights.sum()))
    if loss <= max(reach, _LEAST * rate):
        return []
    text = f"Canary {other}: {context.primary} rate {loss:.4f} below that of {champion} ({rate:.4f}), {len(pairs)} days"
    figures = {"difference": -loss, "low": -loss - reach, "high": -loss + reach, "champion": rate}
    return [alarm(context, "canary.rate", other, text, State.ROLL_BACK, **figures)]


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
        found.append({"champion_rate": rate, "difference": difference, "error": one["error"]})
    return found


def _normal_limit(chance: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(chance / 2))
