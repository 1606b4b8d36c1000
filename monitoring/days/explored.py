"""What versions would have earned without exploration: sums of a day, and those of two versions over several days."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from monitoring.days.figures import ALL, Figure, largest
from monitoring.days.rows import Rows
from monitoring.statistics.snips import Difference, Pair, Sums, clustered, difference, rate, shared

MOST_VERSIONS = 6
"""The most versions that have sums: those with most rows."""


def explored(rows: Rows, task: str, counted: np.ndarray) -> dict[str, Any]:
    """``DaySummary.explored`` of a task over the rows that ``counted`` (rows,) bool names, whatever their order.

    Empty where no row has a propensity other than 1: nothing was in random order, and the observed rate says it all.
    """
    propensity = rows.numbers("propensity")
    if not (counted & ~np.isnan(propensity) & (propensity != 1)).any():
        return {}
    label = rows.numbers(f"label_{task}")
    outcome = np.where(np.isnan(label), np.nan, label > 0)
    versions, members = rows.names("model_version"), rows.names("member")
    found, clusters = {}, {}
    for place in largest(versions.codes[counted], versions.values)[:MOST_VERSIONS]:
        chosen = counted & (versions.codes == place)
        if not chosen.any():
            continue
        # Rows without a member are one cluster.
        member = members.codes[chosen] + 1
        name = versions.values[place]
        found[name], clusters[name] = clustered(outcome[chosen], propensity[chosen], member, len(members.values) + 1)
    return {
        "versions": {name: sums.to_json() for name, sums in found.items()},
        "pairs": [
            {"versions": [one, other], "shared": shared(clusters[one], clusters[other])}
            for one, other in combinations(found, 2)
        ],
    }


def sums_of(section: Mapping[str, Any], version: str) -> Sums | None:
    """A version's sums in ``DaySummary.explored`` of a task; None where it has none."""
    known = section.get("versions", {}).get(version)
    return None if known is None else Sums(**known)


def usual_rate(section: Mapping[str, Any], figure: Figure) -> dict[str, float]:
    """``usual``, ``usual_low`` and ``usual_high`` of a version's figure: its rate without exploration.

    ``section``: ``DaySummary.explored`` of the figure's task. Empty for a cell that is no version, and where there is
    too little for an estimate (``monitoring.statistics.snips.rate``).
    """
    sums = sums_of(section, figure.version) if (figure.surface, figure.cohort) == (ALL, ALL) else None
    found = None if sums is None else rate(sums)
    return {} if found is None else {"usual": found.value, "usual_low": found.low, "usual_high": found.high}


def canary_difference(sections: Sequence[Mapping[str, Any]], champion: str, canary: str) -> Difference | None:
    """The canary's rate minus the champion's, both without exploration, over several days.

    ``sections``: ``DaySummary.explored`` of a task, by day; those without both versions are left out. None where there
    is too little for an estimate (``monitoring.statistics.snips.difference``).
    """
    return difference([pair for section in sections if (pair := _pair(section, champion, canary))])


def _pair(section: Mapping[str, Any], champion: str, canary: str) -> Pair | None:
    base, other = sums_of(section, champion), sums_of(section, canary)
    if base is None or other is None:
        return None
    for pair in section["pairs"]:
        if pair["versions"] == [champion, canary]:
            return Pair(base, other, pair["shared"])
        if pair["versions"] == [canary, champion]:
            both, second, first, outcomes = pair["shared"]
            return Pair(base, other, (both, first, second, outcomes))
    return None
