"""Paired bootstrap of AUC differences: the candidate minus another scorer, over draws of members with replacement.

Which statistic is compared with which bound:

- primary task, against the champion and each earlier version: the one-sided LOWER bound
  must be at least -margin. Every test must pass, so all of them together err no more often than one, and no version is
  taken for the best by chance.
- primary task, against the floor, the trees: the difference ITSELF must be at least -floor_margin.
- every other task, against all of them: the one-sided UPPER bound must be at least -margin. Only a loss that the data
  shows blocks the promotion, because a gate window is too short to prove that a rare task lost nothing.

A figure outside its own interval blocks as well: then the figure or the interval is wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.ahead import SEED
from monitoring.predictions import FLOOR, Scored

ENOUGH = 30
"""Fewest labels of each class with which a task other than the primary one is compared."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Finding:
    """One result of the gate's checks."""

    blocks: bool
    """Whether it forbids the promotion."""
    sentence: str


class Differences:
    """AUC of one task, of the candidate and of other scorers, and their differences, all on the same draws."""

    def __init__(self, spec: Spec, task: str, rows: Scored) -> None:
        self._gate, self._task, self._rows = spec.gate, task, rows
        self._bootstrap = UserBootstrap(rows.members, spec.gate.bootstraps, SEED)
        self._drawn: dict[str, np.ndarray] = {}
        self._areas: dict[str, dict[str, float]] = {}

    def area(self, scorer: str) -> dict[str, float]:
        """AUC of a scorer with its two-sided 95 % interval: {auc, low, high}."""
        if scorer not in self._areas:
            low, high = interval(self._draws(scorer))
            value = metrics.auc(self._rows.labels, self._rows.scores[scorer])
            self._areas[scorer] = {"auc": value, "low": low, "high": high}
        return self._areas[scorer]

    def against(self, scorer: str) -> dict[str, float]:
        """The candidate's AUC minus the scorer's: {auc, low, high}, each bound one-sided at the gate's confidence."""
        differences = self._draws("candidate") - self._draws(scorer)
        # a draw without positive or without negative labels has no AUC, so no difference
        low, high = np.nanquantile(differences, [1 - self._gate.confidence, self._gate.confidence])
        auc = self.area("candidate")["auc"] - self.area(scorer)["auc"]
        return {"auc": auc, "low": float(low), "high": float(high)}

    def not_worse(self, scorer: str, name: str) -> Finding:
        """Block if the lower bound of the difference is below minus the primary task's margin."""
        difference, margin = self.against(scorer), self._gate.margin
        blocks = not difference["low"] >= -margin
        unsure = (
            " Its rows are too few to be sure: give the gate window more days, or take a larger `gate.margin`."
            if blocks and difference["auc"] >= -margin
            else ""
        )
        return Finding(
            blocks,
            f"{self._compared(scorer, name)}, at least {difference['low']:+.4f} with {self._gate.confidence:.0%} "
            f"confidence, which is {'below' if blocks else 'not below'} the margin of {-margin:+.4f}.{unsure}",
        )

    def not_harmed(self, scorer: str, name: str) -> Finding:
        """Block if the upper bound of the difference is below minus the margin of this task, not the primary one."""
        difference, margin = self.against(scorer), self._gate.margin_of(self._task)
        blocks = not difference["high"] >= -margin
        return Finding(
            blocks,
            f"{self._compared(scorer, name)}, at most {difference['high']:+.4f} with {self._gate.confidence:.0%} "
            f"confidence, which is {'below' if blocks else 'not below'} the margin of {-margin:+.4f}.",
        )

    def above_floor(self) -> Finding:
        """Block if the candidate's AUC is below the floor's by more than ``floor_margin``."""
        margin = self._gate.floor_margin
        blocks = not self.against(FLOOR)["auc"] >= -margin - _ROUNDING
        word = "below" if blocks else "not below"
        by = f" by more than {margin:g}" if margin else ""
        return Finding(blocks, f"{self._compared(FLOOR, FLOOR)}: {word} the floor{by}.")

    def outside_intervals(self, scorers: list[str]) -> list[Finding]:
        """A blocking finding for each figure outside its own interval."""
        figures = {f"AUC of the {scorer}": self.area(scorer) for scorer in ["candidate", *scorers]}
        figures |= {f"difference from the {scorer}": self._whole_interval(scorer) for scorer in scorers}
        return [
            Finding(
                True,
                f"The {self._task} {name} is {found['auc']:.4f}, outside its own interval [{found['low']:.4f}, "
                f"{found['high']:.4f}]: the bootstrap does not describe these rows.",
            )
            for name, found in figures.items()
            if not found["low"] - _ROUNDING <= found["auc"] <= found["high"] + _ROUNDING
        ]

    def _whole_interval(self, scorer: str) -> dict[str, float]:
        """The difference with its two-sided 95 % interval, whatever the gate's confidence."""
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
    """AUC of each scorer and the candidate's difference from it. ``scorers``: by scorer, the key in the result."""
    return {
        name: {**differences.area(scorer), "difference": differences.against(scorer)}
        for scorer, name in scorers.items()
    }
