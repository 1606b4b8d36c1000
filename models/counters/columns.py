"""The names of a counter's columns: of its state in the store, and of the features that follow from it."""

from typing import TYPE_CHECKING, Literal

from models.counters.plan import OVERALL, CounterPlan, plan_of

if TYPE_CHECKING:
    from models.spec import Spec

__all__ = [
    "OVERALL",
    "columns_of",
    "feature_columns",
    "feature_columns_of",
    "outcome_columns",
    "state_columns",
    "state_columns_of",
]

Kind = Literal["int", "ints"]


def state_columns(spec: "Spec", name: str) -> dict[str, Kind]:
    """The columns of the counter's view, in order: an int64 each, or a list of int64. ``name`` may be ``overall``."""
    return state_columns_of(plan_of(spec, name))


def state_columns_of(plan: CounterPlan) -> dict[str, Kind]:
    """The same of a plan."""
    return dict(columns_of(plan))


def columns_of(plan: CounterPlan) -> list[tuple[str, Kind]]:
    """The same as a list, in which a name that the spec should not have let through stands twice."""
    name = plan.name
    found: list[tuple[str, Kind]] = [(f"{name}_{statistic}", "int") for statistic in plan.statistics]
    if plan.recency:
        found.append((f"{name}_shown_last", "int"))
    if plan.last:
        found += [(f"{name}_{rate.name}_last", "ints") for rate in plan.rates]
    if plan.window is not None:
        found.append((f"{name}_panes", "ints"))
        found += [(f"{name}_panes_{statistic}", "ints") for statistic in plan.statistics]
    return found


def feature_columns(spec: "Spec", name: str) -> list[str]:
    """The features that ``derive`` makes of a counter, in order."""
    return feature_columns_of(plan_of(spec, name))


def feature_columns_of(plan: CounterPlan) -> list[str]:
    """The same of a plan."""
    name = plan.name
    return [f"{name}_exposures", *([f"{name}_recency"] if plan.recency else []), *_outcome_columns(plan)]


def outcome_columns(spec: "Spec", name: str) -> list[str]:
    """Those of them that move with outcomes: rates, then the last outcomes from the newest back."""
    return _outcome_columns(plan_of(spec, name))


def _outcome_columns(plan: CounterPlan) -> list[str]:
    name = plan.name
    rates = [f"{name}_{rate.name}_rate" for rate in plan.rates]
    return rates + [f"{name}_last{place}_{rate.name}" for rate in plan.rates for place in range(1, plan.last + 1)]
