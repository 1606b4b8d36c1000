import numpy as np
import pytest

from monitoring.statistics.limits import learn_limits


def test_the_limits_are_those_of_a_prediction_interval() -> None:
    values = np.array([1.0, 2.0, 3.0, 6.0, np.nan])
    found = learn_limits(values, floor=0.0, false_alarm=0.05)
    reach = 3.182446 * np.std([1, 2, 3, 6], ddof=1) * np.sqrt(1 + 1 / 4)
    assert (found.expected, found.days) == (3.0, 4)
    assert (found.low, found.high) == pytest.approx((3 - reach, 3 + reach))
    assert found.breaks(3 + 1.01 * reach)
    assert not found.breaks(3 + 0.99 * reach)
    assert not found.breaks(float("nan"))


def test_a_change_below_the_floor_is_none() -> None:
    found = learn_limits(np.full(10, 0.5), floor=0.1)
    assert (found.low, found.high) == pytest.approx((0.4, 0.6))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [np.nan] * 9])
def test_too_few_days_have_no_limits(values: list[float]) -> None:
    found = learn_limits(values, floor=0.0)
    assert not found.breaks(1e9)
    assert not found.breaks(-1e9)


def test_the_next_days_own_error_widens_the_limits() -> None:
    known, noisy = (learn_limits([1.0, 2, 3, 6], floor=0.0, error=error) for error in (0.0, 10.0))
    assert noisy.high - noisy.low > 3 * (known.high - known.low)


def test_a_weekly_pattern_is_no_alarm_but_a_sunday_on_a_wednesday_is() -> None:
    weekday = np.arange(28) % 7
    values = np.where(weekday == 6, 2.0, 1.0) + 0.02 * np.random.default_rng(0).standard_normal(28)
    sunday, wednesday = (learn_limits(values, 0.0, weekday=weekday, today=today) for today in (6, 2))
    assert not sunday.breaks(2.0)
    assert wednesday.breaks(2.0)
    assert not learn_limits(values, 0.0).breaks(2.0)  # without the weekdays, nothing can be told
    reach = (sunday.high - sunday.low) / 2
    assert reach == pytest.approx(3.8193 * sunday.spread * np.sqrt(1 + 1 / 28), rel=1e-3)  # 28 - 1 - 6 = 21 degrees


@pytest.mark.parametrize("days", [5, 28])
def test_false_alarms_are_as_rare_as_set(days: int) -> None:
    draws = np.random.default_rng(days).standard_normal((1500, days + 1))
    broken = [learn_limits(row[:-1], 0.0, false_alarm=0.02).breaks(row[-1]) for row in draws]
    assert 0.01 < np.mean(broken) < 0.03


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="floor"):
        learn_limits([1.0], floor=-1.0)
