"""How far a day is from the most similar quiet day: what a weekly pattern and slow growth leave small."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from monitoring.days import DaySummary
from monitoring.monitors.context import FEWEST_DAYS, Context, t_limit

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
_PAIRS = 4.0
"""Of a normal deviation, so many medians of the distance of two days lie between the largest of 28 days and one of six
standard deviations."""
_BEFORE = 7
"""Days that a quiet day needs before it for a distance of its own: a week."""


def variation(day: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Total variation of shares (cells,) from others (days, cells): (days,), 0 to 1."""
    return np.asarray(np.abs(others - day).sum(axis=-1) / 2)


def wasserstein(day: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Wasserstein distance of quantiles (33,) from others (days, 33): (days,), in the quantiles' unit."""
    return np.asarray(np.abs(others - day).mean(axis=-1))


def nearest(
    context: Context, figure: Callable[[DaySummary], np.ndarray | None], distance: Distance, least: float
) -> tuple[float, float] | None:
    """Distance of the newest day from the most similar quiet day and its limit, if above it; shapes as ``figure``'s.

    Every quiet day with a week before it has such a distance, too, to the days before it. The limit is Student's
    prediction bound of their roots at ``Context.chance``, but at least ``least``, and four times the median distance of
    two quiet days. None with too few days.
    """
    now = figure(context.newest)
    known = [found for found in map(figure, context.quiet) if found is not None and now is not None]
    if now is None or len(known) < _BEFORE + FEWEST_DAYS:
        return _early(now, known, distance, least)
    past = np.array(known)
    found = float(distance(now, past).min())
    if found <= least:
        return None
    own = [float(distance(past[place], past[:place]).min()) for place in range(_BEFORE, len(past))]
    roots = np.sqrt(own)
    reach = t_limit(2 * context.chance, len(roots) - 1) * float(roots.std(ddof=1)) * math.sqrt(1 + 1 / len(roots))
    # The nearest distances of ordinary days are small whatever the days' spread: an unusual day's is about its own
    # deviation, of which distances between two days tell.
    pairs = [distance(past[place], past[:place]) for place in range(1, len(past))]
    limit = max((float(roots.mean()) + reach) ** 2, _PAIRS * float(np.median(np.concatenate(pairs))), least)
    return (found, limit) if found > limit else None


def _early(
    now: np.ndarray | None, known: Sequence[np.ndarray], distance: Distance, least: float
) -> tuple[float, float] | None:
    """With some quiet days but too few to learn a limit: three times the largest distance between two of them."""
    if now is None or len(known) < FEWEST_DAYS:
        return None
    past = np.array(known)
    limit = max(3 * max(float(distance(day, past).max()) for day in past), least)
    found = float(distance(now, past).min())
    return (found, limit) if found > limit else None
