"""AUC of the candidate minus AUC of another scorer, over draws of members with replacement (paired bootstrap).

What is asked of the difference, and by which statistic:

- primary task, against the champion (or the floor without one) and each earlier version: the one-sided LOWER bound is
  at least -margin. Each of the tests has to pass, so that together they err no oftener than one of them, and no version
  is picked as the best by the luck of a window.
- primary task, against the floor: the difference ITSELF is not below zero, as well.
- any other task, against all of them: the one-sided UPPER bound is at least -margin. Only a loss that the data shows
  holds a candidate: of a rare task a gate window is too short to show that nothing was lost.

A figure that lies outside of its own interval holds: then one of the two is wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.measure import SEED
from monitoring.predictions import Scored

ENOUGH = 30
"""Labels of a class below which a task that is not the primary one is not compared."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Finding:
    """One thing that the gate found."""

    holds: bool
    """Whether it forbids the promotion."""
    sentence: str


class Differences:
    """The candidate's AUC of one task and what it is worth beside others, all on the same draws."""

    def __init__(self, spec: Spec, task: str, rows: Scored) -> None:
        self._gate, self._task, self._rows = spec.gate, task, rows
        self._bootstrap = UserBootstrap(rows.members, spec.gate.bootstraps, SEED)
        self._drawn: dict[str, np.ndarray] = {}
        self._areas: dict[str, dict[str, float]] = {}

    def area(self, scorer: str) -> dict[str, float]:
        """AUC of a scorer with its 95 % interval: {auc, low, high}."""
        if scorer not in self._areas:
            low, high = interval(self._draws(scorer))
            value = metrics.auc(self._rows.labels, self._rows.scores[scorer])
            self._areas[scorer] = {"auc": value, "low": low, "high": high}
        return self._areas[scorer]

    def against(self, scorer: str) -> dict[str, float]:
        """{auc, low, high}: the candidate's AUC minus the scorer's; the bounds are one-sided at the confidence."""
        differences = self._draws("candidate") - self._draws(scorer)
        # a draw of members without one of the classes has no AUC, hence no difference
        low, high = np.nanquantile(differences, [1 - self._gate.confidence, self._gate.confidence])
        auc = self.area("candidate")["auc"] - self.area(scorer)["auc"]
        return {"auc": auc, "low": float(low), "high": float(high)}

    def not_worse(self, scorer: str, name: str) -> Finding:
        """Whether the lower bound is within the primary task's margin."""
        difference, margin = self.against(scorer), self._gate.margin
        holds = not difference["low"] >= -margin
        return Finding(
            holds,
            f"{self._compared(scorer, name)}, at least {difference['low']:+.4f} with {self._gate.confidence:.0%} "
            f"confidence, which is {'below' if holds else 'not below'} the margin of {-margin:+.4f}.",
        )

    def not_harmed(self, scorer: str, name: str) -> Finding:
        """Whether the upper bound is within the margin of a task that is not the primary one."""
        difference, margin = self.against(scorer), self._gate.margin_of(self._task)
        holds = not difference["high"] >= -margin
        return Finding(
            holds,
            f"{self._compared(scorer, name)}, at most {difference['high']:+.4f} with {self._gate.confidence:.0%} "
            f"confidence, which is {'below' if holds else 'not below'} the margin of {-margin:+.4f}.",
        )

    def above_floor(self) -> Finding:
        """Whether the candidate is not below the floor, the margin of the champion or not."""
        below = self._gate.floor_margin
        holds = not self.against("floor")["auc"] >= -below - _ROUNDING
        word = "below" if holds else "not below"
        by = f" by more than {below:g}" if below else ""
        return Finding(holds, f"{self._compared('floor', 'floor')}: {word} the floor{by}.")

    def outside_intervals(self, scorers: list[str]) -> list[Finding]:
        """A finding for each figure that lies outside of its own interval."""
        figures = {f"AUC of the {scorer}": self.area(scorer) for scorer in ["candidate", *scorers]}
        figures |= {f"difference from the {scorer}": self._whole_interval(scorer) for scorer in scorers}
        return [
            Finding(
                True,
                f"The {self._task} {name} is {found['auc']:.4f}, outside of its own interval [{found['low']:.4f}, "
                f"{found['high']:.4f}]: the bootstrap does not describe these rows.",
            )
            for name, found in figures.items()
            if not found["low"] - _ROUNDING <= found["auc"] <= found["high"] + _ROUNDING
        ]

    def _whole_interval(self, scorer: str) -> dict[str, float]:
        """The difference with its 95 % interval, whatever confidence the gate asks for."""
        low, high = interval(self._draws("candidate") - self._draws(scorer))
        return {"auc": self.against(scorer)["auc"], "low": low, "high": high}

    def _draws(self, scorer: str) -> np.ndarray:
        if scorer not in self._drawn:
            self._drawn[scorer] = self._bootstrap.draws("auc", self._rows.labels, self._rows.scores[scorer])
        return self._drawn[scorer]

    def _compared(self, scorer: str, name: str) -> str:
        candidate, other = self.area("candidate")["auc"], self.area(scorer)["auc"]
        return (
            f"{self._task} AUC {candidate:.4f} against {other:.4f} of the {name}: a difference of "
            f"{candidate - other:+.4f}"
        )


def figures(differences: Differences, scorers: dict[str, str]) -> dict[str, Any]:
    """By name of a scorer: its AUC, and the candidate's difference from it."""
    return {
        name: {**differences.area(scorer), "difference": differences.against(scorer)}
        for scorer, name in scorers.items()
    }
