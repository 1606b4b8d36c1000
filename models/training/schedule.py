"""Adaptive neighbor schedule: few neighbors first, more only when the validation AUC stops rising (LiGNN).

LiGNN (arXiv 2402.11139) publishes the start (2), the stride (20), the cap (200) and that the tolerance decays, but not
the tolerance, its decay or how often it is checked: here once per epoch, and ``neighbour_tolerance`` and
``tolerance_decay`` of ``TrainingConfig`` are our choice.
"""

from dataclasses import dataclass, replace

from models.configs.training import TrainingConfig
from models.graph.schema import GraphSchema


@dataclass(frozen=True)
class NeighbourSchedule:
    """The schedule's current value: replaced after every validation, stored in the checkpoint."""

    largest_fan_out: int
    """That of the next epoch."""
    tolerance: float
    """``largest_fan_out`` grows unless the AUC rises by more than this."""
    best: float = float("-inf")
    """The best AUC so far."""

    def after(self, auc: float, stride: int, most: int, decay: float) -> "NeighbourSchedule":
        """The schedule after an epoch with this validation AUC; NaN counts as no rise."""
        if auc > self.best + self.tolerance:
            return replace(self, best=auc)
        best = max(self.best, auc) if auc == auc else self.best
        if self.largest_fan_out >= most:
            return replace(self, best=best)
        return NeighbourSchedule(min(self.largest_fan_out + stride, most), self.tolerance * decay, best)


def begin(config: TrainingConfig, schema: GraphSchema) -> NeighbourSchedule:
    """The schedule of the first epoch."""
    return NeighbourSchedule(min(config.first_neighbours, cap(config, schema)), config.neighbour_tolerance)


def advance(schedule: NeighbourSchedule, auc: float, config: TrainingConfig, schema: GraphSchema) -> NeighbourSchedule:
    """The schedule of the next epoch."""
    return schedule.after(auc, config.neighbour_stride, cap(config, schema), config.tolerance_decay)


def cap(config: TrainingConfig, schema: GraphSchema) -> int:
    """The most neighbors of any epoch: the configured number, or the schema's largest fan-out if that is smaller."""
    return min(config.most_neighbours, max((most for branch in schema.branches for most in branch.fan_out), default=1))
