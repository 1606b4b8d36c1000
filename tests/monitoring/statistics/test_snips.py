import dataclasses

import numpy as np
import pytest

from models.spec.serving import Explore
from monitoring.statistics.snips import Pair, Sums, clustered, difference, rate, shared, sums
from serving.ranking.explore import ordered

SHARE, ITEMS, SLATES = 0.5, 5, 4
ATTENTION = np.array([1.0, 0.7, 0.5, 0.3, 0.2])
"""By rank: the chance that a slate is looked at down to there."""
TRUTH = float((0.4 * np.arange(ITEMS, 0, -1) / (ITEMS + 1) * ATTENTION).mean())
"""The rate of the usual order: of five uniform relevances, the expected largest one first."""


def log(rng, members=120, quality=1.0, rate=1.0):
    """Outcome, propensity and member of the rows of a version whose scores are the relevances.

    The first rank is a group, the others are another. ``quality``: share of the slates whose usual order is by
    relevance; that of the others has nothing to do with it. ``rate`` multiplies all rates.
    """
    slates = members * SLATES
    relevance = 0.4 * rng.random((slates, ITEMS))
    score = np.where(rng.random((slates, 1)) < quality, relevance, rng.random((slates, ITEMS)))
    usual = np.argsort(-score, axis=1)
    random = rng.random((slates, 1)) < SHARE
    order = np.where(random, np.hstack([usual[:, :1], rng.permuted(usual[:, 1:], axis=1)]), usual)
    propensity = SHARE / np.array([1, 4, 4, 4, 4]) + (1 - SHARE) * (order == usual)
    member = np.repeat(np.arange(members), SLATES)
    taste = rate * rng.uniform(0.4, 1.6, members)[member, None]
    outcome = rng.random((slates, ITEMS)) < taste * np.take_along_axis(relevance, order, axis=1) * ATTENTION
    return outcome.ravel() * 1.0, propensity.ravel(), np.repeat(member, ITEMS)


def day(champion, canary):
    """A pair of logs."""
    clusters = 1 + max(champion[2].max(), canary[2].max())
    (base, one), (other, two) = (clustered(*rows, clusters) for rows in (champion, canary))
    return Pair(base, other, shared(one, two))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_the_rows_with_a_weight_are_those_that_the_server_left_at_their_usual_rank(share):
    for number in range(60):
        groups = [np.arange(3), np.arange(3, 3 + number % 4)]
        found = ordered(groups, Explore(share=share), f"slate {number}")
        chances = found.propensities[found.order]
        placed = [sums(np.ones(1), chances[rank : rank + 1], np.zeros(1)).placed for rank in range(len(chances))]
        assert placed == (found.order == np.arange(len(chances))).tolist()
        assert (1 / chances[np.array(placed) > 0] < 2).all()


def test_the_estimate_is_unbiased_and_its_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    logs = [log(rng) for _ in range(300)]
    found = [rate(sums(*one)) for one in logs]

    values, naive = np.array([one.value for one in found]), np.array([one[0].mean() for one in logs])
    assert abs(values.mean() - TRUTH) < 3 * values.std() / 300**0.5
    assert TRUTH - naive.mean() > 10 * naive.std() / 300**0.5  # what is ranked at random earns less
    assert 0.92 <= np.mean([one.low <= TRUTH <= one.high for one in found]) <= 0.975
    assert np.mean([one.error for one in found]) == pytest.approx(values.std(), rel=0.12)


@pytest.mark.parametrize("together", [False, True])
def test_the_difference_of_equal_versions_covers_zero_as_often_as_it_says(together):
    """Over three days that differ in all else; ``together``: members meet both versions."""
    rng, covered = np.random.default_rng(5), []
    for _ in range(200):
        days = []
        for members in (40, 60, 50):
            whole = log(rng, members)
            side = (np.repeat(np.arange(members * SLATES), ITEMS) if together else whole[2]) % 2 == 0
            days.append(day(*(tuple(column[chosen] for column in whole) for chosen in (side, ~side))))
        found = difference(days).difference
        covered.append(found.low <= 0 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.975


def test_a_canary_without_an_outcome_is_not_certain():
    rng = np.random.default_rng(2)
    champion, (outcome, *rest) = log(rng, 600), log(rng, 12)
    found = difference([day(champion, (0 * outcome, *rest))])
    rare = found.champion * (1 - found.champion) / found.canary_size
    assert found.difference.error**2 == pytest.approx(rare, rel=0.1)
    assert difference([day((0 * champion[0], *champion[1:]), (0 * outcome, *rest))]) is None  # nothing to compare


def test_the_difference_is_that_of_the_definition():
    rng = np.random.default_rng(10)
    logs = [(log(rng, 80), log(rng, 80, quality=0.0)), (log(rng, 30, rate=2.0), log(rng, 30, rate=0.5))]
    values, variances, sizes = [], [], []
    for pair in logs:
        rates, influence = [], np.zeros(pair[0][2].max() + 1)
        for sign, (outcome, propensity, member) in zip((-1, 1), pair, strict=True):
            weight = np.where(propensity > 0.5, 1 / propensity, 0.0)
            rates.append((weight * outcome).sum() / weight.sum())
            influence += sign * np.bincount(member, weights=weight * (outcome - rates[-1])) / weight.sum()
            sizes.append(weight.sum() ** 2 / (weight**2).sum())
        values.append(rates[1] - rates[0])
        variances.append(len(influence) / (len(influence) - 1) * (influence**2).sum())
    share = np.array([1 / (1 / sizes[0] + 1 / sizes[1]), 1 / (1 / sizes[2] + 1 / sizes[3])])
    share /= share.sum()

    found = difference([day(*pair) for pair in logs]).difference

    assert found.value == pytest.approx(share @ values)
    assert found.error**2 == pytest.approx(share**2 @ variances)


def test_a_day_on_which_all_click_more_favors_no_version():
    rng = np.random.default_rng(12)
    days = [day(log(rng, 300, rate=0.5), log(rng, 30, rate=0.5)), day(log(rng, 300), log(rng, 300))]
    found = difference(days)
    together = [rate(days[0][side] + days[1][side]).value for side in (0, 1)]
    assert together[1] - together[0] > 4 * found.difference.error
    assert found.difference.low < 0 < found.difference.high


def test_a_worse_order_has_a_lower_rate():
    rng = np.random.default_rng(4)
    found = difference([day(log(rng, 300), log(rng, 60, quality=0.0)) for _ in range(4)])
    assert found.difference.high < 0
    assert found.champion == pytest.approx(TRUTH, abs=0.02)
    assert found.canary_size < found.champion_size < 4 * 300 * SLATES * ITEMS
    assert (found.days, found.refused) == (4, 0)


def test_sums_of_days_add_up():
    rng = np.random.default_rng(6)
    first, second = log(rng), log(rng)
    apart = tuple(np.concatenate(both) for both in zip(first, (*second[:2], second[2] + 1000), strict=True))
    whole, added = (dataclasses.astuple(one) for one in (sums(*apart), sums(*first) + sums(*second)))
    assert added == pytest.approx(whole)


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.nan, 1.5, np.inf, -np.inf])
def test_a_wrong_propensity_is_counted_and_changes_no_other_row(wrong):
    outcome, propensity, member = log(np.random.default_rng(7))
    wide = sums(np.append(outcome, 1.0), np.append(propensity, wrong), np.append(member, 3))
    assert dataclasses.replace(wide, refused=0) == sums(outcome, propensity, member)
    assert wide.refused == 1


def test_a_pending_row_is_in_no_sum_and_order_does_not_matter():
    outcome, propensity, member = log(np.random.default_rng(8))
    mixed = np.random.default_rng(9).permutation(len(outcome))
    pending = sums(np.append(outcome[mixed], np.nan), np.append(propensity[mixed], np.nan), np.append(member[mixed], 0))
    assert pending == sums(outcome, propensity, member)


def test_too_little_makes_no_estimate():
    outcome, propensity, member = log(np.random.default_rng(1))
    for few in (
        (np.empty(0), np.empty(0), np.empty(0)),
        (outcome, np.ones_like(propensity), member),  # nothing was explored
        (outcome[:100], propensity[:100], member[:100]),
        (outcome, propensity, member % 5),
        (outcome, np.full_like(propensity, 1 / ITEMS), member),  # all slates were in random order
        (outcome, np.resize([0.9, 0.3, 0.3], len(outcome)), member),  # most slates were
        (outcome, np.full_like(propensity, np.nan), member),
    ):
        assert rate(sums(*few)) is None
        assert difference([Pair(sums(*few), sums(outcome, propensity, member))]) is None
    assert difference([]) is None
    assert np.isnan(sums(*(column[:1] for column in (outcome, np.ones(1), member))).variance)
    assert Sums().size == 0


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_outcomes_have_an_interval_on_one_side(value):
    outcome, propensity, member = log(np.random.default_rng(1))
    found = rate(sums(np.full_like(outcome, value), propensity, member))
    assert found.value == pytest.approx(value)
    assert 0 < found.high - found.low < 0.05


def test_a_day_of_one_member_is_left_out():
    rng = np.random.default_rng(3)
    whole, lone = day(log(rng), log(rng)), day(log(rng), log(rng, members=1))
    assert difference([whole, lone]) == difference([whole])


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="one length"):
        sums(np.ones(2), np.ones(3), np.ones(3))
