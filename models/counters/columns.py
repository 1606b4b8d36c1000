"""Names of a counter's columns: the state kept in the store, and the features derived from it."""

from typing import Literal

from models.counters.plan import CounterPlan

ColumnKind = Literal["int", "ints"]
"""One int64 per row, or a list of int64."""


def state_columns(plan: CounterPlan) -> dict[str, ColumnKind]:
    """Columns of the counter's view, in order."""
    return dict(state_column_pairs(plan))


def state_column_pairs(plan: CounterPlan) -> list[tuple[str, ColumnKind]]:
    """``state_columns`` as a list, which keeps duplicate names for the spec's own checks."""
    name = plan.name
    pairs: list[tuple[str, ColumnKind]] = [(f"{name}_{statistic}", "int") for statistic in plan.statistics]
    if plan.recency:
        pairs.append((f"{name}_shown_last", "int"))
    if plan.last:
        pairs += [(f"{name}_{rate.name}_last", "ints") for rate in plan.rates]
    if plan.window is not None:
        pairs.append((f"{name}_panes", "ints"))
        pairs += [(f"{name}_panes_{statistic}", "ints") for statistic in plan.statistics]
    return pairs


def feature_columns(plan: CounterPlan) -> list[str]:
    """Names of the features that ``derive`` returns, in order."""
    name = plan.name
    return [f"{name}_exposures", *([f"{name}_recency"] if plan.recency else []), *outcome_columns(plan)]


def outcome_columns(plan: CounterPlan) -> list[str]:
    """The features that depend on outcomes: rates, then the last outcomes, newest first."""
    name = plan.name
    rates = [f"{name}_{rate.name}_rate" for rate in plan.rates]
    return rates + [f"{name}_last{place}_{rate.name}" for rate in plan.rates for place in range(1, plan.last + 1)]
