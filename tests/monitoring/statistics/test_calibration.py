import json

import numpy as np
import pytest

from monitoring.statistics.calibration import BETS, DIFFUSE, Day, Reference, detect, learn, log_ratio

FLAT = Reference(0.0, 0.03, 0.0, 30.0, (0.0,) * 7, 28)


def day(positives: float, rows: float = 20_000, rate: float = 0.05, weekday: int = 0) -> Day:
    return Day(rows, rows * rate, positives, rows * rate * (1 - rate), weekday)


def drawn(rng: np.random.Generator, count: int, factor: float = 1.0, rate: float = 0.075, spread: float = 0.03) -> list:
    """Days of 20,000 rows whose probabilities are ``factor`` too high; days differ, weekdays too."""
    pattern = 0.02 * np.array([1, 0.5, 0, 0, -0.5, -1, 0])
    true = rate * np.exp(spread * rng.standard_normal(count) + pattern[np.arange(count) % 7]) / factor
    return [day(rng.binomial(20_000, one), rate=rate, weekday=at % 7) for at, one in enumerate(true)]


def test_the_log_ratio_and_its_error_follow_the_formula() -> None:
    found, error = log_ratio(day(800))
    assert found == pytest.approx(np.log(1000.5 / 800.5))
    assert error == pytest.approx(np.sqrt(950) / 1000 * (1000.5 / 800.5) ** 0.25)


@pytest.mark.parametrize("positives", [0, 30, 80, 100])
def test_ratio_over_error_is_the_signed_root_of_the_deviance(positives: int) -> None:
    found, error = log_ratio(Day(1e6, 50.0, positives, 50.0, 0))
    deviance = 2 * ((positives * np.log(positives / 50) if positives else 0) - positives + 50)
    assert -found / error == pytest.approx(np.sign(positives - 50) * np.sqrt(deviance), rel=0.08)


def test_one_days_evidence_is_the_mixture_of_bets() -> None:
    (found,) = detect([day(800)], FLAT)
    value, error = log_ratio(day(800))
    scale = np.hypot(error, 0.03)

    def density(change: float, wider: float = 0.0) -> float:
        width = np.hypot(scale, wider)
        return (1 + ((value - change) / width) ** 2 / 30) ** -15.5 / width

    bets = [weight / 2 * density(sign * np.log(factor)) for factor, weight in BETS for sign in (1, -1)]
    bets.append(DIFFUSE[1] * density(0, DIFFUSE[0]))
    assert found.evidence == pytest.approx(np.log(sum(bets) / density(0)))
    assert found.threshold == pytest.approx(np.log(1000))
    assert found.ratio == pytest.approx(1000.5 / 800.5)
    assert found.low < found.ratio < found.high


def test_bets_gain_nothing_in_expectation_on_a_quiet_day() -> None:
    """Each bet is a ratio of two densities: under the second, its mean is 1."""
    from monitoring.statistics.calibration import _log_bets

    grid = np.linspace(-40, 40, 2001)
    density = (1 + grid**2 / 30) ** -15.5
    bets = np.exp([_log_bets(value, np.array([0.5, -3.0, 0.0]), 1.0, 30.0) for value in grid])
    np.testing.assert_allclose((bets * density[:, None]).sum(axis=0) / density.sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("factor", [1.3, 1 / 1.3])
def test_a_large_change_is_found_within_a_day_and_dated(factor: float) -> None:
    days = [day(1000)] * 5 + [day(1000 / factor**1.2)] * 2
    found = detect(days, FLAT)
    assert [one.alarm for one in found] == [False] * 5 + [True] * 2
    assert found[-1].since == 5
    assert found[-1].change == pytest.approx(factor**1.2, rel=0.01)
    assert found[-1].change_low < factor**1.2 < found[-1].change_high


def test_a_change_within_the_band_is_no_alarm_however_long_it_lasts() -> None:
    lasting = [day(10_000 / 1.07, rows=200_000)] * 60
    precise = Reference(0.0, 0.01, 0.0, 30.0, (0.0,) * 7, 28)
    within, outside = (detect(lasting, precise, band=band) for band in (0.09, 0.05))
    assert within[-1].evidence == outside[-1].evidence > np.log(1000)
    assert not any(one.alarm for one in within)
    assert outside[-1].alarm


def test_an_alarm_ends_soon_after_its_fault() -> None:
    found = detect([day(1000)] * 3 + [day(700)] * 10 + [day(1000)] * 4, FLAT)
    assert all(one.alarm for one in found[3:13])
    assert not any(one.alarm for one in found[-3:])


def test_days_that_cannot_be_used_change_nothing() -> None:
    strange = [Day(0, 0, 0, 0, 0), day(float("nan")), day(1, rows=100), Day(100, 100, 100, 0, 0)]
    found = detect([*strange, day(1000), *strange, day(700)], FLAT)
    assert [one.since for one in found[:4]] == [-1] * 4
    assert np.isnan(found[0].ratio)
    assert found[8].evidence == found[4].evidence
    assert (found[9].alarm, found[9].since) == (True, 9)
    assert detect([], FLAT) == []


def test_no_positives_and_all_positives_are_alarms() -> None:
    assert detect([day(0)], FLAT)[0].alarm
    everything = detect([day(20_000)], FLAT)[0]
    assert everything.alarm
    assert everything.change == pytest.approx(0.05, rel=0.01)


def test_the_reference_is_the_mean_of_quiet_days_and_survives_json() -> None:
    rng = np.random.default_rng(0)
    found = learn(drawn(rng, 280, factor=1.2))
    assert found.mean == pytest.approx(np.log(1.2), abs=0.01)
    assert found.spread == pytest.approx(0.03, abs=0.005)
    assert found.weekday[0] == pytest.approx(-0.02, abs=0.012)
    assert Reference.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_weekday_is_judged_by_its_own_mean_and_costs_degrees_of_freedom() -> None:
    quiet = [day(1000 / (1.3 if at % 7 == 6 else 1 + at / 2000), weekday=at % 7) for at in range(28)]
    found = learn(quiet)
    assert (found.days, found.freedom) == (28, 28 - 1 - 6 + 6)
    sunday, monday = (detect([day(1000 / 1.3, weekday=at)], found)[0] for at in (6, 0))
    assert (sunday.alarm, monday.alarm) == (False, True)
    assert sunday.change == pytest.approx(1, abs=0.02)


def test_days_that_differ_more_than_known_beforehand_are_believed() -> None:
    found = learn([day(1000 * factor) for factor in (0.8, 0.9, 1.0, 1.1, 1.2)])
    assert found.spread == pytest.approx(0.155, abs=0.01)


def test_an_uncertain_reference_widens_the_interval_of_the_change_alone() -> None:
    known, unsure = (detect([day(800)], Reference(0.0, 0.03, error, 30.0, (0.0,) * 7, 28))[0] for error in (0.0, 0.1))
    assert (unsure.low, unsure.high) == (known.low, known.high)
    own, both = (np.log(one.change_high / one.change) / 2.042272 for one in (known, unsure))
    assert both**2 == pytest.approx(own**2 + 0.1**2)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_quiet_days_know_little(count: int) -> None:
    found = learn([day(1000)] * count)
    assert (found.days, found.mean) == (count, 0.0)
    assert 0.02 < found.spread < 0.03
    assert not detect([day(950), day(1050)], found)[-1].alarm


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="run_length"):
        detect([], FLAT, run_length=0.5)
    with pytest.raises(ValueError, match="positives"):
        log_ratio(day(30_000))


def test_quiet_months_have_few_alarms_and_changes_are_found_in_time() -> None:
    rng, alarms, delays = np.random.default_rng(7), 0, {1.3: [], 1.15: []}
    for _ in range(25):
        reference = learn(drawn(rng, 28))
        alarms += any(one.alarm for one in detect(drawn(rng, 28), reference))
        for factor, found in delays.items():
            after = detect(drawn(rng, 7) + drawn(rng, 5, factor), reference)[7:]
            found.append(next((at for at, one in enumerate(after, 1) if one.alarm), 99))
    assert alarms <= 1
    assert np.mean(np.array(delays[1.3]) <= 1) >= 0.8
    assert max(delays[1.3]) <= 2
    assert np.mean(np.array(delays[1.15]) <= 3) >= 0.8
