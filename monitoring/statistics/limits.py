"""Bounds for a day's statistic, learned from quiet days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.statistics.clusters import NAN, t_quantile
from monitoring.statistics.effects import weekday_pattern

FEWEST = 3
"""Days below which nothing can be learned."""


@dataclass(frozen=True)
class Limits:
    """Between which values a quiet day's statistic lies; both infinite where too little is known."""

    expected: float
    low: float
    high: float
    spread: float
    """Standard deviation of quiet days around what is expected."""
    days: int

    def breaks(self, value: float) -> bool:
        """Whether ``value`` (scalar) lies outside; a NaN does not."""
        return value < self.low or value > self.high


def learn_limits(
    values: Sequence[float] | np.ndarray,
    floor: float,
    false_alarm: float = 0.001,
    weekday: Sequence[int] | np.ndarray | None = None,
    today: int = 0,
    error: float = 0.0,
) -> Limits:
    """Learn the limits of the next day from ``values`` (days,), one per quiet day; NaN are left out.

    The prediction interval of one more draw from a normal distribution: mean +- t * s * sqrt(1 + 1 / n), t with n - 1
    degrees of freedom (Hahn and Meeker, Statistical Intervals, 1991, section 4.7), both tails together with probability
    ``false_alarm``. ``floor``: the smallest change that matters; limits are at least that far from what is expected.
    ``weekday`` (days,) 0 to 6 of the values and ``today``, that of the next day: a weekly pattern is taken out, with
    fewer degrees of freedom. ``error``: standard error of the next day's value beyond that of the quiet days (fewer
    rows). With fewer than 3 days, or no degree of freedom, the limits are infinite. Divide ``false_alarm`` by the
    number of statistics that are tested each day. Raises ValueError for a floor below 0, a probability outside (0, 1),
    and as ``weekday_pattern`` does.
    """
    if floor < 0 or not 0 < false_alarm < 1:
        raise ValueError(f"expected floor >= 0 and 0 < false_alarm < 1; found {floor} and {false_alarm}")
    found = np.asarray(values, dtype=np.float64)
    pattern = np.zeros(7) if weekday is None else weekday_pattern(found, np.asarray(weekday))
    expected_shift = float(pattern[today])
    if weekday is not None:
        found = found - pattern[np.asarray(weekday, dtype=np.int64)]
    found = found[np.isfinite(found)]
    days, freedom = len(found), len(found) - 1 - 6 * bool(pattern.any())
    if days < FEWEST or freedom < 1:
        return Limits(float(found.mean()) + expected_shift if days else NAN, -np.inf, np.inf, NAN, days)
    expected = float(found.mean()) + expected_shift
    spread = float(np.sqrt(((found - found.mean()) ** 2).sum() / freedom))
    scale = np.sqrt(spread**2 * (1 + 1 / days) + error**2)
    reach = max(t_quantile(1 - false_alarm / 2, freedom) * float(scale), floor)
    return Limits(expected, expected - reach, expected + reach, spread, days)
