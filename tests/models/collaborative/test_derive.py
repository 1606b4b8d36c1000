"""From rows to features: against loops over plain lists, with the same bits for one pair and for many."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.collaborative.derive import Pairs, derive, mixed
from models.collaborative.plan import CollaborativePlan, feature_columns, item_columns, member_columns
from models.counters.ragged import Ragged

KINDS = ("base", "item_item", "positive_item_item", "low_rank", "ease", "user_user")
PLAN = CollaborativePlan("w", "member", "item", KINDS, 4, 6, 3, 0)
CUT, SNAPSHOT = 7, -(2**63) + 1


def rows(seed: int, count: int, item: bool) -> dict[str, Any]:
    """Rows with lists of random lengths; the first row is missing."""
    random = np.random.default_rng(seed)
    length = np.where(np.arange(count) > 0, random.integers(0, 6, count), 0)
    hashes = [np.sort(random.choice(12, size, replace=False)) for size in length]
    found: dict[str, Any] = {}
    for column, kind in (item_columns if item else member_columns)(PLAN).items():
        if kind == "int":
            found[column] = np.where(np.arange(count) > 0, CUT if column.endswith("_cut") else SNAPSHOT, 0)
        elif kind == "float":
            found[column] = random.normal(size=count).astype(np.float32)
        elif kind == "ints":
            found[column] = Ragged.of(hashes)
        elif column.endswith("factors"):
            found[column] = Ragged.of([random.normal(size=PLAN.rank) for _ in range(count)], np.float32)
        elif column.endswith("positive"):
            found[column] = Ragged.of([random.integers(0, 2, size) for size in length], np.float32)
        else:
            found[column] = Ragged.of([random.random(size) for size in length], np.float32)
    return found


def by_hand(members: dict[str, Any], items: dict[str, Any], m: int, i: int) -> dict[str, float]:
    """The features of one pair, by loops."""
    own = members["w_member_effect"][m] if m else np.nan
    other = items["w_item_effect"][i] if i else np.nan
    found = {"w_base": members["w_mean"][m] + own + other, "w_member_effect": own, "w_item_effect": other}
    seen = {int(h): place for place, h in enumerate(members["w_seen"][m])}
    known = m and i
    for kind in ("item_item", "positive_item_item", "ease"):
        total = weighted = 0.0
        for h, w in zip(items[f"w_{kind}_neighbors"][i], items[f"w_{kind}_weights"][i], strict=True):
            if int(h) in seen:
                place = seen[int(h)]
                w = float(w) * (1.0 if kind == "item_item" else float(members["w_positive"][m][place]))
                total += w
                weighted += w * float(members["w_residual"][m][place])
        if kind == "ease":
            found["w_ease"] = total if known else np.nan
        else:
            found[f"w_{kind}"] = (weighted / total if total else 0.0) if known else np.nan
            found[f"w_{kind}_weight"] = total if known else np.nan
    for kind, column in (("low_rank", "factors"), ("user_user", "exposure_factors")):
        product = np.dot(members[f"w_member_{column}"][m].astype(float), items[f"w_item_{column}"][i].astype(float))
        found[f"w_{kind}"] = product if known else np.nan
    return found


@given(st.integers(0, 1000))
def test_features_are_those_of_the_formulas_and_of_each_pair_alone(seed: int) -> None:
    members, items = rows(seed, 4, False), rows(seed + 1, 5, True)
    pairs = Pairs(np.repeat(np.arange(4), 5), np.tile(np.arange(5), 4))
    found = derive(PLAN, members, items, pairs)
    assert set(found) == set(feature_columns(PLAN))
    for place, (m, i) in enumerate(zip(*pairs, strict=True)):
        for column, expected in by_hand(members, items, m, i).items():
            assert found[column].dtype == np.float32
            np.testing.assert_allclose(found[column][place], expected, rtol=1e-6, atol=1e-7)
        alone = derive(PLAN, _taken(members, m), _taken(items, i), Pairs(np.zeros(1, int), np.zeros(1, int)))
        for column, values in alone.items():
            np.testing.assert_array_equal(values[0], found[column][place])


def _taken(rows: dict[str, Any], place: int) -> dict[str, Any]:
    return {
        column: values.take(np.array([place])) if isinstance(values, Ragged) else values[place : place + 1]
        for column, values in rows.items()
    }


def test_rows_of_two_cuts_do_not_combine() -> None:
    """An item's older row counts as none; a member's older row fits nothing."""
    members, items = rows(1, 2, False), rows(2, 4, True)
    items["w_item_cut"] = np.array([0, CUT + 1, CUT, CUT - 1])
    pairs = Pairs(np.ones(4, int), np.arange(4))
    assert mixed(PLAN, members, items, pairs).tolist() == [False, True, False, False]
    found = derive(PLAN, members, items, pairs)
    assert all(np.isnan(values[1]) for values in found.values())
    assert not any(np.isnan(values[2]) for values in found.values())
    for place in (0, 3):
        known = [column for column, values in found.items() if not np.isnan(values[place])]
        assert known == ["w_member_effect"]


def test_rows_of_two_fits_of_a_cut_do_not_combine() -> None:
    """Built again with another rank: the factors have other lengths, the ids differ by one."""
    members, items = rows(1, 2, False), rows(2, 2, True)
    items["w_item_snapshot"] = members["w_member_snapshot"] + 1
    items["w_item_factors"] = Ragged.of([np.ones(PLAN.rank + 2)] * 2, np.float32)
    pairs = Pairs(np.ones(1, int), np.ones(1, int))
    assert mixed(PLAN, members, items, pairs).tolist() == [True]
    assert all(np.isnan(values[0]) for values in derive(PLAN, members, items, pairs).values())


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS[::-1]])
def test_every_choice_of_kinds_finds_its_columns(kinds: tuple[str, ...]) -> None:
    plan = CollaborativePlan("w", "member", "item", kinds, 4, 6, 3, 0)
    members = {column: rows(1, 2, False)[column] for column in member_columns(plan)}
    items = {column: rows(2, 2, True)[column] for column in item_columns(plan)}
    assert list(derive(plan, members, items, Pairs(np.ones(1, int), np.ones(1, int)))) == feature_columns(plan)


def test_no_pairs() -> None:
    found = derive(PLAN, rows(1, 1, False), rows(2, 1, True), Pairs(np.zeros(0, int), np.zeros(0, int)))
    assert [len(values) for values in found.values()] == [0] * len(feature_columns(PLAN))
