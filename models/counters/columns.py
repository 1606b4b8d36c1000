"""Names of a counter's columns: the state kept in the store, and the features derived from it."""

from typing import Literal

from models.counters.exposures import exposure_columns
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
    pairs += [(column, "ints") for column in exposure_columns(plan)]
    if plan.window is not None:
        pairs.append((f"{name}_panes", "ints"))
        pairs += [(f"{name}_panes_{statistic}", "ints") for statistic in plan.statistics]
    return pairs


def feature_columns(plan: CounterPlan) -> list[str]:
    """Names of the features that ``derive`` returns, in order."""
    name = plan.name
    counted = [f"{name}_exposures", *([f"{name}_recency"] if plan.recency else [])]
    for place in range(1, plan.last_exposures + 1):
        counted.append(f"{name}_exposure{place}_gap")
        counted += [f"{name}_exposure{place}_same_{one.name}" for one in plan.compared]
    return [*counted, *outcome_columns(plan)]


def outcome_columns(plan: CounterPlan) -> list[str]:
    """The features that depend on outcomes: rates, then the last outcomes, then those of the last exposures."""
    name = plan.name
    rates = [f"{name}_{rate.name}_rate" for rate in plan.rates]
    rates += [f"{name}_{rate.name}_mean_residual" for rate in plan.rates if plan.residual]
    rates += [f"{name}_last{place}_{rate.name}" for rate in plan.rates for place in range(1, plan.last + 1)]
    return rates + exposure_outcome_columns(plan)


def exposure_outcome_columns(plan: CounterPlan) -> list[str]:
    """Whether each of the last exposures is pending, then their outcomes; newest first."""
    names = [f"{plan.name}_exposure{place}" for place in range(1, plan.last_exposures + 1) if plan.rates]
    columns = [f"{name}_pending" for name in names]
    return columns + [f"{name}_outcome_{rate.name}" for rate in plan.rates for name in names]
