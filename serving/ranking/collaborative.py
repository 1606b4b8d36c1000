"""Collaborative features of a slate, derived from the rows of the snapshot that the store holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np

from feature_repo.slate import SlateRows
from models.collaborative.derive import Pairs, derive, mixed
from models.collaborative.plan import CollaborativePlan, item_columns, member_columns
from models.collaborative.schedule import visible_cuts


@dataclass(frozen=True)
class CollaborativeFeatures:
    """What the snapshots say about a request with C candidates."""

    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By feature, float32 (C,); NaN = missing."""
    late: int | None = None
    """The oldest cut, microseconds UTC, of blocks whose newest row is older than the schedule has it at the time of the
    read; None = all are in time, or have no row."""
    mixed: bool = False
    """Whether the member's row does not fit a candidate's, which is newer or of another fit: features are missing."""

    @classmethod
    def of(
        cls, plans: Sequence[CollaborativePlan], zone: ZoneInfo, rows: SlateRows, count: int
    ) -> "CollaborativeFeatures":
        """Derive the features of ``count`` candidates from the rows of a read: (count,) each. Cuts are in ``zone``."""
        pairs = Pairs(np.zeros(count, np.int64), np.arange(count))
        features: dict[str, np.ndarray] = {}
        late, unfit = list[int](), False
        for plan in plans:
            features |= derive(plan, rows.shared, rows.candidates, pairs)
            member = int(rows.shared[f"{plan.name}_member_cut"][0])
            newest = int(rows.candidates[f"{plan.name}_item_cut"].max(initial=member))
            due = visible_cuts(zone, plan.delay, np.array([rows.as_of + 1]))[0]
            late += [newest] if 0 < newest < due else []
            unfit |= bool(mixed(plan, rows.shared, rows.candidates, pairs).any())
        return cls(features, min(late, default=None), unfit)


def references(plans: Sequence[CollaborativePlan]) -> list[str]:
    """Feast references of the rows of every block."""
    return [
        f"{view}:{column}"
        for plan in plans
        for view, columns in ((plan.member_view, member_columns(plan)), (plan.item_view, item_columns(plan)))
        for column in columns
    ]
