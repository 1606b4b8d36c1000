"""A fitted snapshot against dense formulas; ties, bounds, and the same bits whatever the order of the rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.as_of.ragged import ragged
from feature_repo.collaborative import neighbors
from feature_repo.collaborative.base import fit_base, member_effects, residuals
from feature_repo.collaborative.errors import SnapshotError
from feature_repo.collaborative.events import Pairs
from feature_repo.collaborative.low_rank import item_factors, member_factors
from feature_repo.collaborative.rows import item_rows, member_rows
from feature_repo.collaborative.snapshot import Snapshot, fit, matrix
from models.collaborative import derive as derived
from models.collaborative.plan import CollaborativePlan

KINDS = ("base", "item_item", "positive_item_item", "low_rank", "ease", "user_user")
PLAN = CollaborativePlan("w", "member_id", "item_id", KINDS, 5, 9, 4, 10)


def pairs(members: int = 40, items: int = 15, seed: int = 0) -> Pairs:
    random = np.random.default_rng(seed)
    seen = random.random((members, items)) < 0.4
    seen[:, 0] = True
    member, item = (places.astype(np.int32) for places in np.nonzero(seen))
    positive = random.random(len(member)) < 0.5
    names = pa.array([f"i{number:03d}" for number in range(items)])
    return Pairs(pa.array(np.arange(members)), names, member, item, positive.astype(np.float32), positive)


def dense(found: Pairs, values: np.ndarray) -> np.ndarray:
    whole = np.zeros((len(found.members), len(found.items)))
    whole[found.member, found.item] = values
    return whole


def test_neighbors_are_the_largest_of_the_dense_formulas() -> None:
    found = pairs()
    for values in (np.ones(len(found.item)), found.positive):
        whole = dense(found, values)
        common = whole.T @ whole
        root = np.sqrt(np.outer(np.diag(common), np.diag(common)))
        expected = common / root * common / (common + 5) * (common >= 2)
        some = found.where(values > 0)
        sparse = matrix(some, np.ones(len(some.item), np.float32))
        check(*neighbors.cosine_neighbors(sparse, PLAN.neighbors), expected)
    inverse = np.linalg.inv(whole.T @ whole + 80 * np.eye(len(whole.T)))
    expected = -inverse.T / np.diag(inverse)[:, None] * (common >= 2)
    check(*neighbors.ease_neighbors("w", sparse, PLAN.neighbors), expected)


def check(rows: neighbors.Ragged, weights: np.ndarray, expected: np.ndarray) -> None:
    np.fill_diagonal(expected, 0)
    for item in range(len(rows)):
        order = np.argsort(-np.abs(expected[item]), kind="stable")[: PLAN.neighbors]
        order = order[expected[item][order] != 0]
        np.testing.assert_array_equal(rows[item], order)
        np.testing.assert_allclose(weights[rows.starts[item] : rows.ends[item]], expected[item][order], rtol=1e-5)


def test_features_of_every_pair_are_those_of_the_dense_formulas() -> None:
    """From the pairs through both tables' rows and ``derive``; with all neighbors, so that nothing is cut off."""
    found, plan = pairs(), replace(PLAN, neighbors=50, rank=15)
    snapshot = fit(plan, found)
    (members,) = member_rows(plan, 5, found, snapshot, None)
    items = item_rows(plan, 5, found, snapshot)
    places = derived.Pairs(*(place.ravel() for place in np.indices((len(found.members), len(found.items)))))
    features = derived.derive(plan, columns_of(members), columns_of(items), places)
    features = {name: values.reshape(len(found.members), -1) for name, values in features.items()}
    own = member_effects(found, snapshot.mean, snapshot.effects)
    np.testing.assert_allclose(features["w_base"], snapshot.mean + own[:, None] + snapshot.effects, rtol=1e-5)
    seen, liked = dense(found, np.ones(len(found.item))), dense(found, found.positive)
    left = dense(found, residuals(found, snapshot.mean, own, snapshot.effects))
    for kind, whole in (("item_item", seen), ("positive_item_item", liked)):
        common = whole.T @ whole
        root = np.sqrt(np.outer(np.diag(common), np.diag(common)))
        weights = common / root * common / (common + 5) * (common >= 2)
        np.fill_diagonal(weights, 0)
        total = whole @ weights
        np.testing.assert_allclose(features[f"w_{kind}_weight"], total, rtol=1e-5)
        np.testing.assert_allclose(features[f"w_{kind}"], (whole * left) @ weights / np.maximum(total, 1e-9), atol=1e-5)
    np.testing.assert_allclose(features["w_low_rank"], left, atol=1e-4)  # of full rank
    unit = seen / np.sqrt(seen.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(features["w_user_user"], unit @ unit.T @ left, atol=1e-4)
    inverse = np.linalg.inv(liked.T @ liked + 80 * np.eye(len(liked.T)))
    weights = -inverse / np.diag(inverse) * (common >= 2)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(features["w_ease"], liked @ weights, atol=1e-6)


def columns_of(table: pa.Table) -> dict[str, Any]:
    """A table's rows as ``derive`` reads them."""
    return {
        name: ragged(table[name]) if pa.types.is_list(table[name].type) else table[name].to_numpy()
        for name in table.column_names[2:]
    }


def test_of_equal_weights_the_first_items_stay_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every member saw everything: all weights of a row are equal."""
    whole = np.ones((6, 9))
    member, item = (places.astype(np.int32) for places in np.nonzero(whole))
    all_seen = replace(pairs(6, 9), member=member, item=item)
    rows, weights = neighbors.cosine_neighbors(matrix(all_seen, np.ones(54, np.float32)), 3)
    assert rows.to_lists() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], *[[0, 1, 2]] * 6]
    monkeypatch.setattr(neighbors, "_ENTRIES", 1)
    again, same = neighbors.cosine_neighbors(matrix(all_seen, np.ones(54, np.float32)), 3)
    assert again.to_lists() == rows.to_lists()
    np.testing.assert_array_equal(weights, same)


def test_ease_is_refused_above_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "MOST_EASE_ITEMS", 14)
    with pytest.raises(
        SnapshotError, match=r"collaborative\.w\.kinds: expected at most 14 items with positive events for .*found 15"
    ):
        fit(PLAN, pairs())
    found = pairs()
    assert len(fit(PLAN, found.where(found.positive & (found.item > 0))).neighbors["ease"][0]) == 15
    fitted = fit(PLAN, replace(found, positive=found.positive & (found.item > 0)))
    assert fitted.neighbors["ease"][0].lengths[0] == 0


def test_items_that_one_member_saw_are_no_neighbors() -> None:
    """Members 0 and 1 saw and liked items 0 and 1; member 0 alone saw item 2."""
    member, item = np.array([0, 0, 0, 1, 1], np.int32), np.array([0, 1, 2, 0, 1], np.int32)
    liked = np.ones(5, bool)
    found = replace(pairs(2, 3), member=member, item=item, outcome=liked.astype(np.float32), positive=liked)
    for rows, _ in fit(PLAN, found).neighbors.values():
        assert rows.lengths.tolist() == [1, 1, 0]


def test_factors_of_an_item_that_one_member_saw_are_zero() -> None:
    member, item = np.array([0, 0, 0, 1, 1], np.int32), np.array([0, 1, 2, 0, 1], np.int32)
    liked = np.array([True, False, True, False, True])
    found = replace(pairs(2, 3), member=member, item=item, outcome=liked.astype(np.float32), positive=liked)
    snapshot = fit(PLAN, found)
    for factors in (snapshot.seen, snapshot.shown):
        assert factors.any(axis=1).tolist() == [True, True, False]
    alone = fit(PLAN, found.where(item == 2))
    assert not alone.seen.any()
    assert alone.shown.shape == (3, PLAN.rank)


def test_another_rank_or_another_event_gives_another_id() -> None:
    found = pairs()
    ids = {fit(plan, found).id(plan) for plan in (PLAN, PLAN, replace(PLAN, rank=5), replace(PLAN, delay=0))}
    assert len(ids) == 2
    flipped = replace(found, outcome=np.where(np.arange(len(found.item)) == 3, 1 - found.outcome, found.outcome))
    assert fit(PLAN, flipped).id(PLAN) not in ids
    assert all(-(2**63) <= one < 2**63 for one in ids)


def test_factors_are_those_of_the_singular_value_decomposition() -> None:
    found = pairs()
    mean, effects = fit_base(found)
    left = residuals(found, mean, member_effects(found, mean, effects), effects)
    factors, values = item_factors(matrix(found, left), 4)
    product = member_factors(matrix(found, left), factors, values) @ factors.T
    u, s, v = np.linalg.svd(dense(found, left))
    np.testing.assert_allclose(values, s[:4], rtol=1e-3)
    np.testing.assert_allclose(product, (u[:, :4] * s[:4]) @ v[:4], atol=0.02)


def test_the_base_solves_its_two_equations() -> None:
    found = pairs()
    mean, effects = fit_base(found)
    own = member_effects(found, mean, effects)
    left = residuals(found, mean, own, effects).astype(float)
    for places, values in ((found.member, own), (found.item, effects)):
        np.testing.assert_allclose(np.bincount(places, left), 10 * values, atol=1e-3)


def test_fewer_items_than_the_rank_and_none_at_all() -> None:
    small = pairs(3, 2)
    snapshot = fit(replace(PLAN, rank=20), small)
    assert snapshot.factors.shape == (2, 20)
    (members,) = member_rows(replace(PLAN, rank=20), 0, small, snapshot, None)
    assert members.num_rows == 3
    none = Pairs(pa.array([], pa.int64()), pa.array([], pa.string()), *[np.zeros(0, np.int32)] * 2,
                 np.zeros(0, np.float32), np.zeros(0, bool))  # fmt: skip
    empty = fit(PLAN, none)
    assert item_rows(PLAN, 0, none, empty).num_rows == 0
    assert list(member_rows(PLAN, 0, none, empty, None)) == []


def test_a_snapshot_is_itself_after_a_round_trip_and_a_second_fit_has_its_bits() -> None:
    found = pairs()
    one = fit(PLAN, found)
    assert found.digest == pairs().digest
    for other in (Snapshot.from_arrays(one.to_arrays()), fit(PLAN, pairs())):
        assert item_rows(PLAN, 5, found, other) == item_rows(PLAN, 5, found, one)
        assert list(member_rows(PLAN, 5, found, other, None)) == list(member_rows(PLAN, 5, found, one, None))


def test_members_are_the_same_alone_and_with_all() -> None:
    found = pairs()
    snapshot = fit(PLAN, found)
    (every,) = member_rows(PLAN, 5, found, snapshot, None)
    (some,) = member_rows(PLAN, 5, found, snapshot, pa.array([3, 17, 99]))
    assert some["member_id"].to_pylist() == [3, 17]
    assert some == every.take([3, 17])
