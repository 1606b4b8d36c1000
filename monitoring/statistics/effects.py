"""Days differ more than their rows explain: mean and spread of a statistic over days, weekday pattern."""

from dataclasses import dataclass

import numpy as np

from monitoring.statistics.clusters import NAN

_STEPS = 200
"""Steps of the bisection for the spread: each halves the error."""


@dataclass(frozen=True)
class Effects:
    """Days as draws from N(mean, spread^2), each seen with its own error."""

    mean: float
    spread: float
    """Standard deviation between days, beyond the days' own errors."""
    error: float
    """Standard error of the mean."""
    days: int


def random_effects(values: np.ndarray, errors: np.ndarray) -> Effects:
    """Mean and spread of ``values`` (days,) with standard ``errors`` (days,), by Paule and Mandel (1982).

    The spread is the one for which the weighted squared residuals add up to days - 1, or 0. Days with a NaN are left
    out; all NaN without a day, spread and error of the mean NaN with a single one. Raises ValueError for negative
    errors.
    """
    values, errors = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    known = np.isfinite(values) & np.isfinite(errors)
    values, variances = values[known], errors[known] ** 2
    if (errors[known] < 0).any():
        raise ValueError(f"errors: expected 0 or more; found {errors[known].min():g}")
    if len(values) < 2:
        return Effects(float(values[0]) if len(values) else NAN, NAN, NAN, len(values))
    squared = _spread_squared(values, variances)
    weights = _weights(variances, squared)
    mean = float((weights * values).sum() / weights.sum())
    return Effects(mean, float(np.sqrt(squared)), float(np.sqrt(1 / weights.sum())), len(values))


def weekday_pattern(values: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """How much each weekday lies above the mean of all days, (7,) float64, shrunk towards 0.

    ``values`` (days,), NaN left out; ``weekday`` (days,) 0 to 6. A weekday's mean is multiplied by the share of its
    variance that the days within weekdays do not explain (James and Stein: the variance components of a one-way
    analysis, Searle, Casella and McCulloch 1992, section 3.6), so that noise makes no pattern. All 0 unless two
    weekdays have two days each. Raises ValueError for a weekday outside 0 to 6 and unequal lengths.
    """
    values, weekday = np.asarray(values, dtype=np.float64), np.asarray(weekday)
    if values.shape != weekday.shape or values.ndim != 1:
        raise ValueError(f"expected a weekday per value; found {values.shape} values and {weekday.shape} weekdays")
    if len(weekday) and (weekday.min() < 0 or weekday.max() > 6):
        raise ValueError(f"weekday: expected 0 to 6; found {weekday.min()} to {weekday.max()}")
    known = np.isfinite(values)
    values, weekday = values[known], weekday[known].astype(np.int64)
    counts = np.bincount(weekday, minlength=7)
    if (counts > 1).sum() < 2:
        return np.zeros(7)
    present, freedom = counts > 0, len(values) - (counts > 0).sum()
    means = np.bincount(weekday, weights=values, minlength=7) / np.maximum(counts, 1)
    within = ((values - means[weekday]) ** 2).sum() / freedom
    offsets = np.where(present, means - values.mean(), 0.0)
    groups = present.sum() - 1
    usual = (len(values) - (counts**2).sum() / len(values)) / groups
    between = max(((counts * offsets**2).sum() / groups - within) / usual, 0.0)
    share = between / (between + within / np.maximum(counts, 1)) if between else np.zeros(7)
    return np.asarray(offsets * share)


def _weights(variances: np.ndarray, squared: float) -> np.ndarray:
    total = variances + squared
    # A day without any error would have all the weight: it gets as much as a tiny error would earn.
    return np.asarray(1 / np.maximum(total, max(float(total.max()) * 1e-12, 1e-200)))


def _spread_squared(values: np.ndarray, variances: np.ndarray) -> float:
    """The squared spread at which the weighted squared residuals are days - 1."""

    def excess(squared: float) -> float:
        weights = _weights(variances, squared)
        mean = (weights * values).sum() / weights.sum()
        return float((weights * (values - mean) ** 2).sum()) - (len(values) - 1)

    low, high = 0.0, float(((values - values.mean()) ** 2).sum())
    if high == 0 or excess(0.0) <= 0:
        return 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2
