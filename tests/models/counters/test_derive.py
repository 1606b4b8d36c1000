"""From state to features: the arithmetic, windows that move on, and keys without a row."""

import re

import numpy as np
import pytest

from models.counters.columns import feature_columns, outcome_columns, state_columns
from models.counters.derive import derive, empty_state
from models.counters.plan import OVERALL, CounterPlan
from models.counters.ragged import Ragged
from models.spec.counter_plans import counter_plan, counter_plans
from tests.models.counters.product import MINUTE, own, product

OVERALL_STATE = {
    "overall_settled": np.array([10]),
    "overall_click_sum": np.array([5]),
    "overall_mail_sum": np.array([1]),
    "overall_mail_of": np.array([4]),
    "overall_share_sum": np.array([20]),
}


def plan_of(name: str) -> CounterPlan:
    return counter_plan(product(), name)


def test_columns_follow_from_the_spec() -> None:
    assert list(counter_plans(product())) == [
        "plain",
        "by_surface",
        "recent",
        "lately",
        "shown",
        "by_topic",
        "beyond",
        OVERALL,
    ]
    assert list(state_columns(plan_of(OVERALL))) == list(OVERALL_STATE)
    assert state_columns(plan_of("by_surface")) == {
        **{"by_surface_shown": "int", "by_surface_settled": "int", "by_surface_click_sum": "int"},
        **{"by_surface_shown_last": "int", "by_surface_click_last": "ints"},
        **{"by_surface_exposure_time": "ints", "by_surface_exposure_key": "ints"},
        **{"by_surface_exposure_of_topic": "ints", "by_surface_exposure_settled": "ints"},
        **{"by_surface_exposure_outcome_click": "ints"},
    }
    assert state_columns(plan_of("lately")) == {
        "lately_shown": "int",
        "lately_panes": "ints",
        "lately_panes_shown": "ints",
    }
    assert feature_columns(plan_of("by_surface")) == [
        *("by_surface_exposures", "by_surface_recency"),
        *("by_surface_exposure1_gap", "by_surface_exposure1_same_topic"),
        *("by_surface_exposure2_gap", "by_surface_exposure2_same_topic"),
        *("by_surface_click_rate", "by_surface_last1_click", "by_surface_last2_click"),
        *("by_surface_exposure1_pending", "by_surface_exposure2_pending"),
        *("by_surface_exposure1_outcome_click", "by_surface_exposure2_outcome_click"),
    ]
    assert outcome_columns(plan_of("lately")) == []
    assert OVERALL not in counter_plans(product(only={"keys": ["member"], "rates": []}))
    for plan in counter_plans(product()).values():
        assert CounterPlan.from_dict(plan.to_dict()) == plan


def test_rates_are_smoothed_by_the_overall_rate() -> None:
    state = {
        **{"plain_shown": np.array([3, 0]), "plain_settled": np.array([2, 0]), "plain_click_sum": np.array([2, 0])},
        **{"plain_mail_sum": np.array([0, 0]), "plain_mail_of": np.array([1, 0]), "plain_share_sum": np.array([6, 0])},
    }
    found = derive(plan_of("plain"), state, OVERALL_STATE, np.array([7, 7]))
    assert {values.dtype for values in found.values()} == {np.dtype("float32")}
    assert found["plain_exposures"].tolist() == [3, 0]
    np.testing.assert_allclose(found["plain_click_rate"], [(2 + 3 * 0.5) / 5, 0.5])
    np.testing.assert_allclose(found["plain_mail_rate"], [(0 + 3 * 0.25) / 4, 0.25])
    np.testing.assert_allclose(found["plain_share_rate"], [(6 / 4 + 3 * 0.5) / 5, 0.5])


def test_a_window_moves_on_without_events() -> None:
    # `lately`: panes of 3 minutes
    rows = 4
    state: dict[str, np.ndarray | Ragged] = {
        "lately_shown": np.full(rows, 9),
        "lately_panes": Ragged.of([[0, 5]] * rows),
        "lately_panes_shown": Ragged.of([[2, 6]] * rows),
    }
    at = np.array([47 * MINUTE, 48 * MINUTE, 62 * MINUTE, 63 * MINUTE])
    assert derive(plan_of("lately"), state, {}, at)["lately_exposures"].tolist() == [7, 3, 3, 0]


@pytest.mark.parametrize("name", ["plain", "by_surface", "recent", "lately", "shown", "by_topic", "beyond"])
@pytest.mark.parametrize("rows", [0, 2])
def test_a_key_without_a_row(name: str, rows: int) -> None:
    found = derive(plan_of(name), empty_state(plan_of(name), rows), OVERALL_STATE, np.full(rows, 5), own(rows))
    assert list(found) == feature_columns(plan_of(name))
    assert all(values.shape == (rows,) for values in found.values())
    assert (found[f"{name}_exposures"] == 0).all()
    for column, values in found.items():
        if "recency" in column or "last" in column.removeprefix("lately") or re.search("exposure[0-9]", column):
            assert np.isnan(values).all()
    for rate in plan_of(name).rates:
        assert np.isfinite(found[f"{name}_{rate.name}_rate"]).all()


def test_no_rate_where_nothing_at_all_has_settled() -> None:
    found = derive(
        plan_of("plain"),
        empty_state(plan_of("plain"), 1),
        empty_state(plan_of(OVERALL), 1),
        np.array([5]),
    )
    assert np.isnan(found["plain_click_rate"]).all()


def test_one_row_is_as_many() -> None:
    """Serving derives one key at a time, training all of them: the same bits."""
    random = np.random.default_rng(3)
    names = [column for column, kind in state_columns(plan_of("plain")).items() if kind == "int"]
    state = {name: random.integers(0, 50, 20) for name in names}
    together = derive(plan_of("plain"), state, OVERALL_STATE, np.arange(20))
    for row in range(20):
        alone = derive(
            plan_of("plain"), {n: v[row : row + 1] for n, v in state.items()}, OVERALL_STATE, np.array([row])
        )
        for column, values in alone.items():
            assert values.tobytes() == together[column][row : row + 1].tobytes()


def test_an_exposure_later_than_the_read_is_zero_seconds_old() -> None:
    """Clocks of servers differ."""
    plan = plan_of("by_surface")
    state = {**empty_state(plan, 2), "by_surface_shown": np.array([1, 1]), "by_surface_shown_last": np.array([9, 2])}
    found = derive(plan, state, OVERALL_STATE, np.array([5, 2 + 1_000_000]), own(2))
    np.testing.assert_allclose(found["by_surface_recency"], np.log1p([0.0, 1.0]), rtol=1e-6)


def test_outcomes_from_the_end_and_undefined_ones() -> None:
    plan = plan_of("by_surface")
    state = {**empty_state(plan, 3), "by_surface_click_last": Ragged.of([[1, 0], [-1], []])}
    found = derive(plan, state, OVERALL_STATE, np.full(3, 5), own(3))
    np.testing.assert_array_equal(found["by_surface_last1_click"], [0, np.nan, np.nan])
    np.testing.assert_array_equal(found["by_surface_last2_click"], [1, np.nan, np.nan])


def test_one_settled_impression_is_an_overall_rate() -> None:
    overall = {**OVERALL_STATE, "overall_settled": np.array([1]), "overall_click_sum": np.array([1])}
    found = derive(plan_of("plain"), empty_state(plan_of("plain"), 1), overall, np.array([5]))
    assert found["plain_click_rate"].tolist() == [1.0]


def test_a_plan_without_a_window_has_no_panes() -> None:
    with pytest.raises(ValueError, match="counter plain: expected a window; found none"):
        _ = plan_of("plain").pane


def test_nothing_is_divided_by_zero() -> None:
    plan = plan_of("plain")
    with np.errstate(all="raise"):
        found = derive(plan, empty_state(plan, 1), empty_state(plan_of(OVERALL), 1), np.array([5]))
    assert np.isnan(found["plain_mail_rate"]).all()


def test_lists_that_begin_in_the_middle_of_their_values() -> None:
    """Rows of a slice: a window at 48 minutes begins with pane 1."""
    offsets = np.array([1, 3, 5])
    state: dict[str, np.ndarray | Ragged] = {
        "lately_shown": np.array([9, 9]),
        "lately_panes": Ragged(offsets, np.array([99, 0, 5, 1, 5, 99])),
        "lately_panes_shown": Ragged(offsets, np.array([0, 2, 6, 3, 7, 0])),
    }
    found = derive(plan_of("lately"), state, {}, np.full(2, 48 * MINUTE))
    assert found["lately_exposures"].tolist() == [3, 6]


def test_last_outcomes_are_divided_by_their_scale() -> None:
    plan = plan_of("recent")
    state = {**empty_state(plan, 1), "recent_share_last": Ragged.of([[4, 0, 1]])}
    found = derive(plan, state, OVERALL_STATE, np.array([5]), own(1))
    assert [found[f"recent_last{place}_share"].tolist() for place in (1, 2, 3)] == [[0.25], [0.0], [1.0]]
