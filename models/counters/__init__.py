"""Counters: integer statistics of the impressions by key, and the one way from them to features."""

from models.counters.columns import OVERALL, feature_columns, outcome_columns, state_columns
from models.counters.derive import derive, empty_state
from models.counters.plan import CounterPlan, needs_overall, plan_of, plans
from models.counters.ragged import Ragged

__all__ = [
    "OVERALL",
    "CounterPlan",
    "Ragged",
    "derive",
    "empty_state",
    "feature_columns",
    "needs_overall",
    "outcome_columns",
    "plan_of",
    "plans",
    "state_columns",
]
