"""How far the candidate is ahead of what is simpler: paired differences over the same draws of members."""

from functools import cached_property

import numpy as np

from models.bootstrap import Metric, UserBootstrap, interval
from models.spec import Spec
from monitoring.predictions import Scored

SEED = 20_000
"""Seed of every bootstrap in monitoring, so that equal predictions give an equal verdict."""
METRICS: tuple[Metric, ...] = ("auc", "gauc", "log_loss", "ece")


class Ahead:
    """Of one task in one window: AUC, log loss and ECE in as-of state, GAUC in frozen state."""

    def __init__(self, spec: Spec, as_of: Scored, frozen: Scored) -> None:
        self._draws, self._rows = spec.gate.bootstraps, {"as_of": as_of, "frozen": frozen}

    def of(self, scorer: str) -> dict[str, dict[str, float]]:
        """By metric {by, low, high}: the candidate's minus the scorer's, with its two-sided 95 % interval."""
        found: dict[str, dict[str, float]] = {}
        for metric in METRICS:
            rows, bootstrap = self._of(metric)
            point, draws = self._candidate[metric]
            other = rows.scores[scorer]
            low, high = interval(draws - bootstrap.draws(metric, rows.labels, other))
            found[metric] = {"by": point - bootstrap.point(metric, rows.labels, other), "low": low, "high": high}
        return found

    def _of(self, metric: Metric) -> tuple[Scored, UserBootstrap]:
        state = "frozen" if metric == "gauc" else "as_of"
        return self._rows[state], self._bootstraps[state]

    @cached_property
    def _bootstraps(self) -> dict[str, UserBootstrap]:
        return {state: UserBootstrap(rows.members, self._draws, SEED) for state, rows in self._rows.items()}

    @cached_property
    def _candidate(self) -> dict[Metric, tuple[float, np.ndarray]]:
        """By metric: its value and its draws (n,)."""
        found: dict[Metric, tuple[float, np.ndarray]] = {}
        for metric in METRICS:
            rows, bootstrap = self._of(metric)
            given = (metric, rows.labels, rows.scores["candidate"])
            found[metric] = bootstrap.point(*given), bootstrap.draws(*given)
        return found
