"""The usual monitor with fixed thresholds, on the same summaries: PSI above 0.1, ratio outside 10 %, a daily z-test."""

from collections.abc import Sequence

import numpy as np

from monitoring.days import ALL, DaySummary

PSI, RATIO, Z = 0.1, 0.1, 1.96
_BINS, _RAREST = 10, 1e-4


def fixed_rules(day: DaySummary, reference: Sequence[DaySummary]) -> list[str]:
    """The rules that fire: ``reference`` are the days whose mean the PSI compares with, as a training window's."""
    found = []
    for name in day.columns:
        if _psi(day, reference, name) > PSI:
            found.append(f"PSI of {name}")
    for task, surfaces in day.labels.items():
        for surface in surfaces:
            cell = day.figure(task, surface)
            if cell is None or not cell.positives or not cell.expected:
                continue
            ratio = cell.expected / cell.positives
            if abs(ratio - 1) > RATIO:
                found.append(f"ratio of {task} on {surface}")
            if surface == ALL and abs(cell.positives - cell.expected) / cell.variance**0.5 > Z:
                found.append(f"z-test of {task}")
    return found


def _psi(day: DaySummary, reference: Sequence[DaySummary], name: str) -> float:
    now, past = day.columns[name], [one.columns[name] for one in reference if name in one.columns]
    if now["kind"] == "number":
        quantiles = np.sort(np.concatenate([one["quantiles"] for one in past if one["quantiles"]] or [[]]))
        if not len(quantiles) or not now["quantiles"]:
            return 0.0
        edges = np.unique(np.quantile(quantiles, np.arange(1, _BINS) / _BINS))
        sides = [
            np.bincount(np.searchsorted(edges, values), minlength=_BINS) for values in (quantiles, now["quantiles"])
        ]
    else:
        names = sorted({value for one in (now, *past) for value in one.get("values", ())})
        sides = [
            np.array([sum(one.get("values", {}).get(value, 0) for one in side) for value in names])
            for side in (past, [now])
        ]
    if not min(side.sum() for side in sides):
        return 0.0
    before, after = (np.maximum(side / side.sum(), _RAREST) for side in sides)
    return float(((after - before) * np.log(after / before)).sum())
