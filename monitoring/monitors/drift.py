"""A slow change of a column, away from what the version was trained on."""

import numpy as np

from monitoring.monitors.context import Context, alarm, t_limit
from monitoring.verdict import Alarm, State

_PSI, _WEEK = 0.1, 7
"""Least growth of the PSI, the usual bound of a moderate change, between weeks of so many days."""


def drift(context: Context, name: str) -> list[Alarm]:
    """The column's distance from the version's profile has grown since the first week that was compared with it.

    Mean PSI of the last seven days against the first seven, of the days that were compared with the columns of the
    profile of the version that serves (of those kept: ``history_days``): a t-test at ``Context.chance``, and 0.1 at
    least. A new calibration keeps the columns, so days of the version before it count. Days compared with other
    columns, such as those before the promotion of a trained version, count on neither side: their distance is from
    another train window. A distance that was there from the first day is none. Columns without a comparison
    (products without a profile) are left out; the values of lifetime counters are not compared.
    """
    now = context.newest.profile
    if now.get("version") != context.champion() or name not in now.get("columns", {}) or "digest" not in now:
        return []
    days = [day.profile for day in (*context.earlier, context.newest) if day.profile.get("digest") == now["digest"]]
    known = [day["columns"][name]["psi"] for day in days if name in day["columns"]]
    if len(known) < 3 * _WEEK:
        return []
    first, last = np.array(known[:_WEEK]), np.array(known[-_WEEK:])
    spread = float(np.sqrt((first.var(ddof=1) + last.var(ddof=1)) / _WEEK))
    growth = float(last.mean() - first.mean())
    if growth <= max(_PSI, t_limit(context.chance, 2 * (_WEEK - 1)) * spread):
        return []
    text = f"{name}: PSI from training {last.mean():.2f} in the last week, {first.mean():.2f} in the first"
    figures = {"psi": float(last.mean()), "expected": float(first.mean())}
    return [alarm(context, "features.drift", name, text, State.RETRAIN, **figures)]
