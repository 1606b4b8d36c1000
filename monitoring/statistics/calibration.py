"""Sequential test of calibration: has the ratio of predicted to observed rate moved away from that of quiet days?

A day's log ratio is log(sum of probabilities / sum of labels). Real days vary more than their rows explain, so a fixed
binomial null would be rejected every other day; ``learn`` estimates mean, spread and weekday pattern of quiet days.
``detect`` is an e-detector of the Shiryaev-Roberts type (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric
framework for sequential change detection", 2024, sections 2.2 and 4): each day starts an e-process for each of a grid
of changes, and the sum over all starts is at most the number of days in expectation while nothing changes. An alarm at
``run_length`` therefore comes no sooner than after ``run_length`` quiet days on average. Several streams (task and
surface) share one run length by weights that add up to 1: the weighted sum of e-detectors is one, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from monitoring.statistics.clusters import NAN, t_quantile
from monitoring.statistics.effects import random_effects, weekday_pattern

BETS = ((1.12, 0.4), (1.3, 0.4))
"""Changes of the ratio that the e-processes bet on, with their weights; half of a weight goes to each direction."""
DIFFUSE = (1.0, 0.2)
"""One more bet: a change of any size, its log with this standard deviation; and the bet's weight. It gains the most
where labels are missing or all equal: Student's tails are so heavy that a bet on a small change gains little there."""
_CAP = 10.0
"""Evidence is kept below this multiple of the threshold, so that an alarm ends soon after its fault."""
_KNOWN_DAYS, _KNOWN_SPREAD = 6, 0.025
"""What is known before a product's first day: worth as many days with this spread."""


class Day(NamedTuple):
    """Sums over the settled rows of one day, task and surface."""

    settled: float
    """Rows with a label; rows that are pending are in none of the sums."""
    predicted: float
    """Sum of probabilities."""
    positives: float
    """Sum of labels."""
    variance: float
    """Sum of p * (1 - p)."""
    weekday: int
    """0 to 6."""


@dataclass(frozen=True)
class Reference:
    """What quiet days say about a stream's log ratio."""

    mean: float
    spread: float
    """Standard deviation between days beyond the rows' own noise."""
    error: float
    """Standard error of the mean."""
    freedom: float
    """Degrees of freedom of the spread."""
    weekday: tuple[float, ...]
    """(7,) what each weekday adds to the mean."""
    days: int

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON."""
        return asdict(self) | {"weekday": list(self.weekday)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Reference":
        """Read what ``to_json`` wrote. Raises KeyError or TypeError for anything else."""
        return cls(**{**document, "weekday": tuple(document["weekday"])})


@dataclass(frozen=True)
class Finding:
    """The detector's result after one day."""

    evidence: float
    """Log of the e-detector."""
    threshold: float
    """Log of the bound: an alarm needs ``evidence`` at or above it."""
    ratio: float
    """Predicted / observed of the days since ``since``; NaN if no day could be used."""
    low: float
    high: float
    """Interval of ``ratio``."""
    change: float
    """``ratio`` divided by what the quiet days lead to expect."""
    change_low: float
    change_high: float
    alarm: bool
    """Evidence at or above the threshold, and the interval of ``change`` outside the band around 1."""
    since: int
    """Place of the day of the most likely change in the sequence; -1 if no day could be used."""


def log_ratio(day: Day, fewest: float = 20.0) -> tuple[float, float]:
    """A day's log(predicted / positives) and its standard error from the rows alone, scalars.

    Half a row is added to both, so that a day without positives has a finite ratio. The error is sqrt(variance) /
    predicted * (observed / predicted)^(-1/4): the quotient of both is close to the signed root of the Poisson deviance,
    which is normal down to about 20 expected positives. NaN below ``fewest`` expected positives or negatives (too
    little to say anything), and for sums that are not numbers. Raises ValueError for negative sums or more positives
    than rows.
    """
    settled, predicted, positives, variance = (float(value) for value in day[:4])
    if not np.isfinite([settled, predicted, positives, variance]).all():
        return NAN, NAN
    if min(day[:4]) < 0 or positives > settled:
        raise ValueError(f"expected sums of 0 or more and at most as many positives as rows; found {day}")
    if min(predicted, settled - predicted) < fewest or variance <= 0:
        return NAN, NAN
    found = float(np.log((predicted + 0.5) / (positives + 0.5)))
    return found, float(np.sqrt(variance) / predicted * np.exp(found / 4))


def learn(days: Sequence[Day], fewest: float = 20.0) -> Reference:
    """Learn mean, spread and weekday pattern of the log ratio from quiet days, in any order.

    The squared spread is averaged with what is known beforehand (6 days at 2.5 %) where it is smaller, so that a few
    alike days do not make the detector nervous. Without a day that can be used the mean is 0 (calibrated) with that
    spread as its error. Raises ValueError as ``log_ratio`` does.
    """
    found = np.array([log_ratio(day, fewest) for day in days]).reshape(-1, 2)
    weekday = np.array([day.weekday for day in days], dtype=np.int64)
    pattern = weekday_pattern(found[:, 0], weekday)
    own = random_effects(found[:, 0] - pattern[weekday], found[:, 1])
    if not own.days:
        return Reference(0.0, _KNOWN_SPREAD, _KNOWN_SPREAD, float(_KNOWN_DAYS), (0.0,) * 7, 0)
    freedom = max(own.days - 1 - 6 * bool(pattern.any()), 0)
    own_squared = own.spread**2 * (own.days - 1) / freedom if freedom else 0.0
    total = freedom + _KNOWN_DAYS
    averaged = (freedom * own_squared + _KNOWN_DAYS * _KNOWN_SPREAD**2) / total
    spread = float(np.sqrt(max(averaged, own_squared)))
    used = found[np.isfinite(found[:, 1]), 1]
    error = float(np.sqrt(1 / (1 / (spread**2 + used**2)).sum()))
    return Reference(own.mean, spread, error, float(total), tuple(pattern.tolist()), own.days)


def detect(
    days: Sequence[Day],
    reference: Reference,
    run_length: float = 1000.0,
    weight: float = 1.0,
    band: float = 0.05,
    confidence: float = 0.95,
) -> list[Finding]:
    """Run the detector over ``days`` in order of time (none of them in the reference); a finding per day.

    ``run_length``: mean number of quiet days to the first false alarm, over all streams whose ``weight`` add up to 1.
    ``band``: changes of the ratio within 1 +- band do not matter. A day that cannot be used (``log_ratio``) leaves the
    evidence as it is and starts nothing. Raises ValueError for a run length below 1, a weight outside (0, 1], a band
    outside [0, 1), and as ``log_ratio`` does.
    """
    if run_length < 1 or not 0 < weight <= 1 or not 0 <= band < 1:
        raise ValueError(
            f"expected run_length >= 1, 0 < weight <= 1, 0 <= band < 1; found {run_length}, {weight}, {band}"
        )
    threshold = float(np.log(run_length / weight))
    factors, weights = np.array(BETS).T
    changes, prior = np.log(np.r_[factors, 1 / factors, 1.0]), np.log(np.r_[weights / 2, weights / 2, DIFFUSE[1]])
    rows = np.array([log_ratio(day) for day in days]).reshape(-1, 2)
    usual = reference.mean + np.array([reference.weekday[day.weekday] for day in days])
    started = np.full((len(days), len(changes)), -np.inf)  # log e-value by start and change
    findings = []
    for now, (value, error) in enumerate(rows):
        if np.isfinite(value):
            started[now] = prior
            scale = np.sqrt(error**2 + reference.spread**2 + reference.error**2)
            started[: now + 1] += _log_bets(value - usual[now], changes, scale, reference.freedom)
            np.minimum(started, threshold + np.log(_CAP), out=started)
        findings.append(_finding(started[: now + 1], rows, usual, reference, (threshold, band, confidence)))
    return findings


def _log_bets(found: float, changes: np.ndarray, scale: float, freedom: float) -> np.ndarray:
    """Log likelihood ratio of each change against none, (changes,): Student's t around the change and around 0.

    The last change is the diffuse bet: its t is wider.
    """
    scales = np.full(len(changes), scale)
    scales[-1] = np.hypot(scale, DIFFUSE[0])
    likely = np.log1p(((found - changes) / scales) ** 2 / freedom) - np.log1p((found / scale) ** 2 / freedom)
    return np.asarray(np.log(scale / scales) - (freedom + 1) / 2 * likely)


def _finding(
    started: np.ndarray,
    rows: np.ndarray,
    usual: np.ndarray,
    reference: Reference,
    settings: tuple[float, float, float],
) -> Finding:
    threshold, band, confidence = settings
    evidence = float(np.logaddexp.reduce(started, axis=None))
    if not np.isfinite(evidence):
        return Finding(evidence, threshold, NAN, NAN, NAN, NAN, NAN, NAN, False, -1)
    now, since = len(started), int(np.argmax(np.logaddexp.reduce(started, axis=1)))
    found, errors = rows[since:now].T
    used = np.isfinite(found)
    weights = 1 / (errors[used] ** 2 + reference.spread**2)
    expected = (weights * usual[since:now][used]).sum() / weights.sum()
    change = (weights * found[used]).sum() / weights.sum() - expected
    quantile = t_quantile((1 + confidence) / 2, reference.freedom)
    own = quantile * np.sqrt(1 / weights.sum())
    reach = quantile * np.sqrt(1 / weights.sum() + reference.error**2)
    outside = change - reach > np.log1p(band) or change + reach < np.log1p(-band)
    ratio = float(np.exp(expected + change))
    return Finding(
        evidence,
        threshold,
        ratio,
        low=float(ratio * np.exp(-own)),
        high=float(ratio * np.exp(own)),
        change=float(np.exp(change)),
        change_low=float(np.exp(change - reach)),
        change_high=float(np.exp(change + reach)),
        alarm=bool(evidence >= threshold and outside),
        since=since,
    )
