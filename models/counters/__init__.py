"""Counters: integer statistics of impressions by key, and the features derived from them."""

from models.counters.columns import feature_columns, outcome_columns, state_columns
from models.counters.derive import derive, empty_state
from models.counters.plan import OVERALL, CounterPlan
from models.counters.ragged import Ragged

__all__ = [
    "OVERALL",
    "CounterPlan",
    "Ragged",
    "derive",
    "empty_state",
    "feature_columns",
    "outcome_columns",
    "state_columns",
]
