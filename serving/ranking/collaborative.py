"""Collaborative features of a slate, derived from the rows of the snapshot that the store holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from feature_repo.slate import SlateRows
from models.collaborative.derive import Pairs, derive
from models.collaborative.plan import CollaborativePlan, item_columns, member_columns


@dataclass(frozen=True)
class CollaborativeFeatures:
    """What the snapshots say about a request with C candidates."""

    features: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By feature, float32 (C,); NaN = missing."""
    cut: int | None = None
    """The oldest cut of the newest row of each view, microseconds UTC; None = no row was found."""
    mixed: bool = False
    """Whether the member's row and the newest candidate's are of two cuts, so that features are missing."""

    @classmethod
    def of(cls, plans: Sequence[CollaborativePlan], rows: SlateRows, count: int) -> "CollaborativeFeatures":
        """Derive the features of ``count`` candidates from the rows of a read: (count,) each."""
        pairs = Pairs(np.zeros(count, np.int64), np.arange(count))
        features: dict[str, np.ndarray] = {}
        cuts, mixed = list[int](), False
        for plan in plans:
            features |= derive(plan, rows.shared, rows.candidates, pairs)
            member = int(rows.shared[f"{plan.name}_member_cut"][0])
            newest = int(rows.candidates[f"{plan.name}_item_cut"].max(initial=0))
            cuts += [cut for cut in (member, newest) if cut]
            mixed |= bool(member and newest and member != newest)
        return cls(features, min(cuts, default=None), mixed)


def references(plans: Sequence[CollaborativePlan]) -> list[str]:
    """Feast references of the rows of every block."""
    return [
        f"{view}:{column}"
        for plan in plans
        for view, columns in ((plan.member_view, member_columns(plan)), (plan.item_view, item_columns(plan)))
        for column in columns
    ]
