"""Collaborative plan: the columns of one block, as plain values. Built by ``models.spec.collaborative_plans``."""

from dataclasses import dataclass
from typing import Literal

BASE, ITEM_ITEM, POSITIVE, LOW_RANK, EASE = "base", "item_item", "positive_item_item", "low_rank", "ease"
USER_USER = "user_user"
NEIGHBORS = (ITEM_ITEM, POSITIVE, EASE)
"""Kinds whose item row holds neighbors with weights."""

ColumnKind = Literal["int", "float", "ints", "floats"]
"""One int64 or float32 per row, or a list of them."""


@dataclass(frozen=True)
class CollaborativePlan:
    """One block: where its rows are, and what they hold."""

    name: str
    member_key: str
    """Join key of the member's view."""
    item_key: str
    """Join key of the item's view."""
    kinds: tuple[str, ...]
    neighbors: int
    """Neighbors of an item, for each kind that has them."""
    history: int
    """Items of a member."""
    rank: int
    """Length of the factors."""
    delay: int
    """Microseconds from a snapshot's cut until it is visible."""

    @property
    def member_view(self) -> str:
        """Name of the view of member rows."""
        return f"{self.name}_member"

    @property
    def item_view(self) -> str:
        """Name of the view of item rows."""
        return f"{self.name}_item"


def collaborative_table(view: str) -> str:
    """The name of the canonical table of a view."""
    return f"collaborative_{view}"


def feature_columns(plan: CollaborativePlan) -> list[str]:
    """Names of the features that ``derive`` returns, in order."""
    parts = {
        BASE: ("base", "member_effect", "item_effect"),
        ITEM_ITEM: ("item_item", "item_item_weight"),
        POSITIVE: ("positive_item_item", "positive_item_item_weight"),
        LOW_RANK: ("low_rank",),
        EASE: ("ease",),
        USER_USER: ("user_user",),
    }
    return [f"{plan.name}_{part}" for kind in plan.kinds for part in parts[kind]]


def item_features(plan: CollaborativePlan) -> list[str]:
    """Those that need the item's row, and are missing for a new item."""
    return [name for name in feature_columns(plan) if name != f"{plan.name}_member_effect"]


def member_features(plan: CollaborativePlan) -> list[str]:
    """Those that need the member's row, and are missing for a new member."""
    return [name for name in feature_columns(plan) if name != f"{plan.name}_item_effect"]


def member_columns(plan: CollaborativePlan) -> dict[str, ColumnKind]:
    """Columns of the member's view: the snapshot's cut and id, then what the kinds need.

    ``seen``: hashes of the member's items, ascending; ``residual`` (outcome minus base) and ``positive`` (1 or 0)
    belong to them.
    """
    columns: dict[str, ColumnKind] = {"member_cut": "int", "member_snapshot": "int"}
    if BASE in plan.kinds:
        columns |= {"mean": "float", "member_effect": "float"}
    if set(plan.kinds) & set(NEIGHBORS):
        columns["seen"] = "ints"
    if {ITEM_ITEM, POSITIVE} & set(plan.kinds):
        columns["residual"] = "floats"
    if {POSITIVE, EASE} & set(plan.kinds):
        columns["positive"] = "floats"
    if LOW_RANK in plan.kinds:
        columns["member_factors"] = "floats"
    if USER_USER in plan.kinds:
        columns["member_exposure_factors"] = "floats"
    return {f"{plan.name}_{column}": kind for column, kind in columns.items()}


def item_columns(plan: CollaborativePlan) -> dict[str, ColumnKind]:
    """Columns of the item's view: the snapshot's cut and id, then what the kinds need.

    ``<kind>_neighbors``: hashes of other items, ascending; ``<kind>_weights`` belong to them.
    """
    columns: dict[str, ColumnKind] = {"item_cut": "int", "item_snapshot": "int"}
    if BASE in plan.kinds:
        columns["item_effect"] = "float"
    for kind in NEIGHBORS:
        if kind in plan.kinds:
            columns |= {f"{kind}_neighbors": "ints", f"{kind}_weights": "floats"}
    if LOW_RANK in plan.kinds:
        columns["item_factors"] = "floats"
    if USER_USER in plan.kinds:
        columns["item_exposure_factors"] = "floats"
    return {f"{plan.name}_{column}": kind for column, kind in columns.items()}
