"""A slow change of a column, away from what the version was trained on."""

import numpy as np

from monitoring.monitors.context import Context, alarm, t_limit
from monitoring.verdict import Alarm, State

_PSI, _WEEK = 0.1, 7
"""Least growth of the PSI, the usual bound of a moderate change, between weeks of so many days."""


def drift(context: Context, name: str) -> list[Alarm]:
    """The column's distance from the version's profile has grown since the version's first week.

    Mean PSI of the last seven days of the version that serves against its first seven: a t-test at ``Context.chance``,
    and 0.1 at least. A distance that was there from the first day is none. Columns without a comparison (lifetime
    counters, products without a profile) are left out.
    """
    champion = context.champion()
    days = [day for day in (*context.earlier, context.newest) if champion in day.traffic["versions"]]
    known = [day.shifts[name]["psi"] for day in days if day.shifts.get(name, {}).get("psi") is not None]
    if name not in context.newest.shifts or len(known) < 3 * _WEEK:
        return []
    first, last = np.array(known[:_WEEK]), np.array(known[-_WEEK:])
    spread = float(np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / _WEEK))
    growth = float(last.mean() - first.mean())
    if growth <= max(_PSI, t_limit(context.chance, 2 * (_WEEK - 1)) * spread):
        return []
    text = f"{name}: PSI from training {last.mean():.2f} in the last week, {first.mean():.2f} in the version's first"
    figures = {"psi": float(last.mean()), "expected": float(first.mean())}
    return [alarm(context, "features.drift", name, text, State.RETRAIN, **figures)]
