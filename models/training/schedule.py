"""The adaptive neighbour schedule: few neighbours first, more only when the validation AUC stops rising (LiGNN).

LiGNN (arXiv 2402.11139) publishes the start (2), the stride (20), the cap (200) and that the tolerance decays. It does
not publish the tolerance, how fast it decays or how often it looks: here it looks once per epoch, and
``neighbour_tolerance`` and ``tolerance_decay`` of ``TrainingConfig`` are our choice.
"""

from dataclasses import dataclass, replace

from models.graph.schema import GraphSchema
from models.training.config import TrainingConfig


@dataclass(frozen=True)
class NeighbourSchedule:
    """Where the schedule stands: a value, made anew by every validation and kept in the checkpoint."""

    limit: int
    """The largest fan-out of the next epoch."""
    tolerance: float
    """By how much the AUC has to rise for ``limit`` to stay."""
    best: float = float("-inf")
    """The best AUC so far."""

    def after(self, auc: float, stride: int, most: int, decay: float) -> "NeighbourSchedule":
        """The schedule after an epoch whose validation gave ``auc``; one that is no number rises nothing."""
        if auc > self.best + self.tolerance:
            return replace(self, best=auc)
        best = max(self.best, auc) if auc == auc else self.best
        if self.limit >= most:
            return replace(self, best=best)
        return NeighbourSchedule(min(self.limit + stride, most), self.tolerance * decay, best)


def begin(config: TrainingConfig, schema: GraphSchema) -> NeighbourSchedule:
    """The schedule of a new training."""
    return NeighbourSchedule(min(config.first_neighbours, cap(config, schema)), config.neighbour_tolerance)


def advance(schedule: NeighbourSchedule, auc: float, config: TrainingConfig, schema: GraphSchema) -> NeighbourSchedule:
    """The schedule of the next epoch."""
    return schedule.after(auc, config.neighbour_stride, cap(config, schema), config.tolerance_decay)


def cap(config: TrainingConfig, schema: GraphSchema) -> int:
    """The limit that is never exceeded: the configured one or, where it is smaller, the schema's largest fan-out."""
    return min(config.most_neighbours, max((most for branch in schema.branches for most in branch.fan_out), default=1))
