"""The rows of the study: which columns each leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.studies.collaborative.columns import exact_names
from models.collaborative.plan import EASE, USER_USER, CollaborativePlan, feature_columns
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans

CONFIGURED, WITHOUT = "as configured", "without"
EXACT = "exact_user_user"
ALSO = (EASE, USER_USER, EXACT)
"""Kinds that the study adds one by one; the last is the study's own."""


@dataclass(frozen=True)
class Row:
    """One row."""

    name: str
    left_out: frozenset[str]
    """Columns."""


def with_kinds(spec: Spec, also: Sequence[str]) -> Spec:
    """The spec whose blocks have these kinds too; those of the study's own are left out."""
    more = [kind for kind in also if kind != EXACT]
    blocks = {
        name: block.model_copy(update={"kinds": list(dict.fromkeys([*block.kinds, *more]))})
        for name, block in spec.collaborative.items()
    }
    return spec.model_copy(update={"collaborative": blocks})


def rows(spec: Spec, also: Sequence[str]) -> list[Row]:
    """Without any kind, as the spec has it, without each of its kinds, with each of ``also`` that it lacks."""
    plans = collaborative_plans(spec).values()
    kinds = dict.fromkeys(kind for plan in plans for kind in plan.kinds)
    own = {kind: _columns([plan for plan in plans if kind in plan.kinds], kind) for kind in kinds}
    more = {kind: _columns([plan for plan in plans if kind not in plan.kinds], kind) for kind in also}
    added = frozenset[str]().union(*more.values())
    found = [Row(WITHOUT, added.union(*own.values())), Row(CONFIGURED, added)]
    found += [Row(f"without {kind}", added | columns) for kind, columns in own.items()] if len(own) > 1 else []
    return found + [Row(f"+ {kind}", added - columns) for kind, columns in more.items() if columns]


def _columns(plans: Sequence[CollaborativePlan], kind: str) -> frozenset[str]:
    """The columns of a kind, over blocks."""
    names = (
        exact_names(plan.name) if kind == EXACT else feature_columns(replace(plan, kinds=(kind,))) for plan in plans
    )
    return frozenset(name for some in names for name in some)
