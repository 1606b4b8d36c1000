import numpy as np
import pytest

from monitoring.statistics.effects import random_effects, weekday_pattern


def test_with_equal_errors_the_spread_is_what_the_errors_leave() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0])
    found = random_effects(values, np.full(4, 0.5))
    assert found.mean == pytest.approx(3.0)
    assert found.spread == pytest.approx(np.sqrt(values.var(ddof=1) - 0.25))
    assert found.error == pytest.approx(values.std(ddof=1) / 2)


def test_the_weighted_squared_residuals_add_up_to_the_degrees_of_freedom() -> None:
    values, errors = np.array([0.0, 0.3, -0.2, 0.8]), np.array([0.1, 0.02, 0.3, 0.05])
    found = random_effects(values, errors)
    weights = 1 / (errors**2 + found.spread**2)
    assert (weights * (values - found.mean) ** 2).sum() == pytest.approx(3)
    assert found.mean == pytest.approx(np.average(values, weights=weights))


def test_days_that_are_alike_have_no_spread() -> None:
    found = random_effects(np.array([1.0, 1.01, 0.99]), np.full(3, 0.5))
    assert found.spread == 0
    assert found.error == pytest.approx(0.5 / np.sqrt(3))


@pytest.mark.filterwarnings("error")
def test_days_without_an_error_have_the_spread_of_their_values() -> None:
    equal, apart = random_effects(np.full(2, 0.1), np.zeros(2)), random_effects(np.array([0.1, 0.2]), np.zeros(2))
    assert (equal.mean, equal.spread) == (pytest.approx(0.1), 0)
    assert (apart.mean, apart.spread) == pytest.approx((0.15, np.sqrt(0.005)))


def test_few_days_and_nan() -> None:
    none, one = random_effects(np.array([np.nan]), np.ones(1)), random_effects(np.array([2.0]), np.ones(1))
    assert (none.days, one.days, one.mean) == (0, 1, 2.0)
    assert np.isnan([none.mean, none.spread, one.spread]).all()


def test_a_weekly_pattern_is_found_and_noise_makes_nearly_none() -> None:
    weekday, pattern = np.arange(280) % 7, np.array([1.0, 0.5, 0, 0, -0.5, -1, 0])
    noise = 0.1 * np.random.default_rng(0).standard_normal(280)
    np.testing.assert_allclose(weekday_pattern(pattern[weekday] + noise, weekday), pattern, atol=0.06)
    assert np.abs(weekday_pattern(noise, weekday)).max() < 0.03


def test_what_noise_explains_is_taken_out_of_a_pattern() -> None:
    weekday, rng = np.arange(28) % 7, np.random.default_rng(1)
    draws = rng.standard_normal((100, 28))
    raw = [draw.reshape(4, 7).mean(axis=0) - draw.mean() for draw in draws]
    found = [weekday_pattern(draw, weekday) for draw in draws]
    assert np.square(found).mean() < 0.4 * np.square(raw).mean()


def test_a_pattern_needs_weekdays_seen_twice() -> None:
    assert not weekday_pattern(np.arange(7.0), np.arange(7)).any()
    assert not weekday_pattern(np.empty(0), np.empty(0, dtype=int)).any()
    with pytest.raises(ValueError, match="0 to 6"):
        weekday_pattern(np.ones(1), np.array([7]))
