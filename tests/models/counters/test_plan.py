"""Counter plans: what is counted, panes, and values that travel as JSON and do not change."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from models.counters.plan import PANES, CounterPlan, RatePlan

RATES = (RatePlan("click", "click", 1, {}), RatePlan("share", "percent", 10, {"surface": ["feed"]}))
PLAN = CounterPlan("c", ("k",), ("column",), {"surface": ["feed"]}, True, RATES, 1.0, 167, True, 2)


def test_a_window_has_sixteen_panes() -> None:
    assert PANES == 16
    assert PLAN.pane == 10
    with pytest.raises(ValueError, match="counter c: expected a window; found none"):
        _ = replace(PLAN, window=None).pane


def test_what_is_counted_follows_from_exposures_and_rates() -> None:
    assert PLAN.statistics == ("shown", "settled", "click_sum", "share_sum", "share_of")
    assert replace(PLAN, exposures=False, rates=RATES[:1]).statistics == ("settled", "click_sum")
    assert replace(PLAN, rates=()).statistics == ("shown",)


def test_a_plan_comes_back_from_json_and_does_not_change() -> None:
    found = CounterPlan.from_dict(json.loads(json.dumps(PLAN.to_dict())))
    assert found == PLAN
    assert (found.keys, found.columns, found.rates) == (("k",), ("column",), RATES)
    with pytest.raises(FrozenInstanceError):
        found.last = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        found.rates[0].scale = 3  # type: ignore[misc]
