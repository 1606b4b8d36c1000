"""Bootstrap of ranking metrics: users, not rows, are resampled, with the same draws for every model, seed and metric.

Every metric here is a function of sums over rows, each row counted as often as its user was drawn, so all draws of a
metric are one product of a sparse matrix (what a row adds to which sum) with the users' weights. Because the draws are
shared, the difference of two models' draws is the paired difference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models import metrics
from models.auc_draws import auc_draws

Metric = Literal["auc", "gauc", "ndcg", "log_loss", "normalised_entropy", "ece"]
NDCG_AT = 5
"""NDCG is computed over this many top places of a slate."""
_ECE_BINS = 15
_AT_ONCE = 1 << 22
"""Weights that are held in memory as float64 at once: users times draws."""

POINT: dict[Metric, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "auc": lambda labels, scores, groups: metrics.auc(labels, scores),
    "gauc": metrics.gauc,
    "ndcg": lambda labels, scores, groups: metrics.ndcg(labels, scores, groups, NDCG_AT),
    "log_loss": lambda labels, scores, groups: metrics.log_loss(labels, scores),
    "normalised_entropy": lambda labels, scores, groups: metrics.normalised_entropy(labels, scores),
    "ece": lambda labels, scores, groups: metrics.ece(labels, scores, _ECE_BINS),
}
"""By name: the metric as a function of labels, scores and groups, each (rows,)."""


@dataclass(frozen=True)
class Rows:
    """The rows that a metric is computed over."""

    labels: np.ndarray
    """(rows,) float64: 0 or 1."""
    scores: np.ndarray
    """(rows,)."""
    user: np.ndarray
    """(rows,) int64: position of each row's user among all users that are drawn."""


class UserBootstrap:
    """``n`` draws with replacement of the users in ``groups`` (rows,); the same ``seed`` gives the same draws."""

    def __init__(self, groups: np.ndarray, n: int = 1000, seed: int = 0) -> None:
        self.user = metrics.group_places(groups)
        generator, count = np.random.default_rng(seed), int(self.user.max(initial=-1)) + 1
        drawn = np.empty((n if count else 0, count), dtype=np.float32)
        for place in range(len(drawn)):
            drawn[place] = np.bincount(generator.integers(0, count, count), minlength=count)
        self.weights = drawn.T.copy()
        """(users, n) float32: how often each user is in each draw."""

    def point(self, metric: Metric, labels: np.ndarray, scores: np.ndarray, part: np.ndarray | None = None) -> float:
        """The metric over the rows of ``part`` (rows,) bool (None = all) with a label; NaN as in ``metrics``.

        ``labels`` and ``scores`` (rows,), in the order of ``groups``. Raises ValueError for other lengths.
        """
        rows = self._rows(labels, scores, part)
        return POINT[metric](rows.labels, rows.scores, rows.user)

    def draws(
        self, metric: Metric, labels: np.ndarray, scores: np.ndarray, part: np.ndarray | None = None
    ) -> np.ndarray:
        """The metric in each draw, (n,) float64; NaN where it is undefined in the draw, everywhere if a score is NaN.

        AUC is exact for any scores (``models.auc_draws``). ECE uses the bins of the original rows in every draw, and
        its draws are shifted so that their mean is its value: resampling noise would put nearly all of them above it.
        """
        rows = self._rows(labels, scores, part)
        if np.isnan(rows.scores).any():
            return np.full(self.weights.shape[1], np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _DRAWS[metric](self, rows)

    def sums(self, cell: np.ndarray, user: np.ndarray, value: np.ndarray, cells: int) -> np.ndarray:
        """Weighted sums by cell in each draw, (cells, n) float64.

        ``cell``, ``user`` and ``value`` (entries,): each entry adds its value times its user's weight to its cell.
        """
        from scipy.sparse import csr_matrix

        users, draws = self.weights.shape
        of_users = csr_matrix((value.astype(np.float64), (cell, user)), shape=(cells, users))
        step = max(_AT_ONCE // max(users, 1), 1)
        parts = [of_users @ self.weights[:, at : at + step].astype(np.float64) for at in range(0, draws, step)]
        return np.concatenate(parts, axis=1) if parts else np.zeros((cells, 0))

    def gaps(self, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The sum of label minus probability in each bin of ``metrics.ece``, (bins, n + 1) float64.

        The first column is that of the original rows, the others of the draws. Rows without a label are left out.
        """
        return _gaps(self, self._rows(labels, scores, None))

    def columns(self, user: np.ndarray, *values: np.ndarray) -> np.ndarray:
        """The sum of each of ``values`` (entries,) in each draw, (len(values), n) float64; ``user`` (entries,)."""
        cell = np.repeat(np.arange(len(values)), len(user))
        return self.sums(cell, np.tile(user, len(values)), np.concatenate(values), len(values))

    def _rows(self, labels: np.ndarray, scores: np.ndarray, part: np.ndarray | None) -> Rows:
        labels, scores, user = np.asarray(labels), np.asarray(scores), self.user
        if not len(labels) == len(scores) == len(user):
            raise ValueError(f"expected {len(user)} labels and scores; found {len(labels)} and {len(scores)}")
        if part is not None:
            labels, scores, user = labels[part], scores[part], user[part]
        labels, scores, user = metrics.defined(labels, scores, groups=user)
        order = np.lexsort((labels, scores, user))  # a sum of floats depends on the order of its terms
        return Rows(labels[order], scores[order], user[order])


def interval(draws: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The central interval with ``confidence`` of ``draws`` (n,), NaN left out; (NaN, NaN) if all are NaN."""
    if np.isnan(draws).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _auc(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    return auc_draws(rows.labels, rows.scores, rows.user, draw.weights)


def _gauc(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    areas, sizes, places = metrics.group_aucs(rows.labels, rows.scores, rows.user)
    total, weight = draw.columns(np.unique(rows.user)[places], areas * sizes, sizes)
    return total / weight


def _ndcg(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    values, places = metrics.group_ndcgs(rows.labels, rows.scores, rows.user, NDCG_AT)
    total, weight = draw.columns(np.unique(rows.user)[places], values, np.ones(len(values)))
    return total / weight


def _log_loss(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    total, count = draw.columns(rows.user, metrics.losses(rows.labels, rows.scores), np.ones(len(rows.user)))
    return total / count


def _normalised_entropy(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    ones = np.ones(len(rows.user))
    total, positive, count = draw.columns(rows.user, metrics.losses(rows.labels, rows.scores), rows.labels, ones)
    rate = positive / count
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    return total / count / entropy  # NaN for one class, whose entropy holds 0 * log(0)


def _gaps(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    rank, alike = np.unique(rows.scores, return_inverse=True, return_counts=True)[1:]
    part, shares = metrics.score_bins(alike, _ECE_BINS)
    gap = rows.labels - rows.scores
    own = np.bincount(part[rank], weights=gap, minlength=shares.shape[1])
    drawn = draw.sums(part[rank], rows.user, gap, shares.shape[1])
    return np.asarray(shares @ np.column_stack([own, drawn]))


def _ece(draw: UserBootstrap, rows: Rows) -> np.ndarray:
    value = metrics.ece(rows.labels, rows.scores, _ECE_BINS)
    if np.isnan(value):
        return np.full(draw.weights.shape[1], np.nan)
    gaps = _gaps(draw, rows)[:, 1:]
    (count,) = draw.columns(rows.user, np.ones(len(rows.user)))
    found = np.abs(gaps).sum(axis=0) / count
    # Noise inflates every |gap|, in a draw about twice as much as in the original rows: subtract the excess.
    return np.maximum(found - (np.nanmean(found) - value), 0.0)


_DRAWS: dict[Metric, Callable[[UserBootstrap, Rows], np.ndarray]] = {
    "auc": _auc,
    "gauc": _gauc,
    "ndcg": _ndcg,
    "log_loss": _log_loss,
    "normalised_entropy": _normalised_entropy,
    "ece": _ece,
}
