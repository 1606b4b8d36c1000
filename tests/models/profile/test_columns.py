"""Profiles of columns are merged exactly, and shifts are those of all rows."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from models.profile import ColumnProfiles, ColumnShift, ProfileError, compare_columns, profile_rows
from models.spec.nodes import Feature

ROWS = 4_000
FEATURES = [
    Feature("score", "number", 1),
    Feature("heavy", "number", 1),
    Feature("count", "number", 1),
    Feature("kind", "category", 1),
    Feature("tokens", "vector", 4),
]


def table(seed: int, shift: float = 0.0, rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "score": random.normal(1000 + shift, 1, rows),
            "heavy": random.pareto(2.5, rows).astype(np.float32) * (1 + shift),
            "count": random.poisson(30 + shift, rows),
            "kind": random.choice(["a", "b", "c"], rows, p=[0.6 - shift / 4, 0.3 + shift / 4, 0.1]),
        }
    )


REFERENCE = profile_rows(table(0), FEATURES)


def shifts(current: pa.Table, reference: ColumnProfiles = REFERENCE) -> dict[str, ColumnShift]:
    return compare_columns(reference, profile_rows(current, FEATURES, reference))


def text(profiles: ColumnProfiles) -> str:
    return json.dumps(profiles.columns, allow_nan=False)


def test_merged_parts_are_the_whole_in_any_order() -> None:
    whole = table(1, 0.5)
    parts = [profile_rows(part, FEATURES, REFERENCE) for part in (whole[:500], whole[500:3000], whole[3000:])]
    forward, backward = parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[1].merge(parts[0]))
    found, one = compare_columns(REFERENCE, forward), shifts(whole)
    assert text(forward) == text(backward)
    assert found == one
    shuffled = whole.take(np.random.default_rng(2).permutation(ROWS))
    assert text(profile_rows(shuffled, FEATURES, REFERENCE)) == text(profile_rows(whole, FEATURES, REFERENCE))


def test_empty_parts_change_nothing_and_an_empty_reference_compares() -> None:
    empty = profile_rows(table(1)[:0], FEATURES, REFERENCE)
    assert text(REFERENCE.merge(empty)) == text(REFERENCE)
    for found in (compare_columns(REFERENCE, empty), shifts(table(1), profile_rows(table(1)[:0], FEATURES))):
        assert all(shift.distance is None and shift.psi == shift.wasserstein == 0 for shift in found.values())
    assert profile_rows(table(1), []).columns == {}


@pytest.mark.parametrize("shift", [0.0, 0.3, 3.0, 50.0])
def test_distances_are_those_of_all_rows(shift: float) -> None:
    before, now = table(0), table(3, shift if shift < 1 else 0.3)
    now = now.set_column(0, "score", pa.array(np.random.default_rng(4).normal(1000, 1, ROWS) * (1 + shift / 100)))
    for name, found in shifts(now).items():
        old, new = before[name].to_pandas(), now[name].to_pandas()
        if name == "kind":
            sides = [side.value_counts(normalize=True).sort_index().to_numpy() for side in (old, new)]
            assert found.wasserstein == 0
        else:
            assert found.wasserstein == pytest.approx(stats.wasserstein_distance(old, new) / old.std(ddof=0), abs=0.005)
            edges = np.histogram_bin_edges(np.concatenate([old, new]), "sturges")
            sides = [np.histogram(side, edges)[0] / ROWS for side in (old, new)]
        assert found.js == pytest.approx(jensenshannon(*sides), abs=0.01)
        if all(side.min() > 0 for side in sides):
            psi = np.sum((sides[0] - sides[1]) * np.log(sides[0] / sides[1]))
            assert found.psi == pytest.approx(psi, abs=0.005)


def test_distribution_functions_may_cross_between_two_values_of_the_reference() -> None:
    before = profile_rows(pa.table({"score": [0.0, 10.0] * 100}), FEATURES[:1])
    now = profile_rows(pa.table({"score": [5.02] * 200}), FEATURES[:1], before)
    assert compare_columns(before, now)["score"].wasserstein == pytest.approx(1.0, abs=0.01)


def test_names_that_a_profile_does_not_keep_are_not_new() -> None:
    random = np.random.default_rng(0)
    names = [pa.table({"kind": random.integers(low, high, ROWS)}) for low, high in ((0, 1000), (0, 1000), (800, 1800))]
    before = profile_rows(names[0], FEATURES[3:])
    still, moved = (compare_columns(before, profile_rows(one, FEATURES[3:], before))["kind"] for one in names[1:])
    assert still.new_share < 0.05
    assert moved.new_share > 0.1
    assert still.new_values == moved.new_values == ()


def test_chance_does_not_fire_and_a_change_does() -> None:
    still, moved = shifts(table(5)), shifts(table(5, 0.5))
    assert all(not shift.changes and not shift.distance for shift in still.values())
    assert all((shift.distance or 0) > 0.01 for shift in moved.values())


def replaced(name: str, values: Any) -> pa.Table:
    now = table(6)
    return now.set_column(now.column_names.index(name), name, pa.array(values))


def test_null_infinite_constant_and_new_values_are_shares() -> None:
    score = table(6)["score"].to_pandas()
    nulls = shifts(replaced("score", score.where(score.index % 10 >= 3)))["score"]
    assert (nulls.null_before, nulls.null_now, nulls.dying) == (0.0, 0.3, True)
    wide = shifts(replaced("score", score.mask(score.index % 4 == 0, np.inf)))["score"]
    assert (wide.infinite_now, wide.dying) == (0.25, True)
    outside = shifts(replaced("score", score.mask(score.index % 4 == 0, 2000.0)))["score"]
    assert outside.new_share == pytest.approx(0.25, abs=0.002)
    assert shifts(replaced("score", [7.0] * ROWS))["score"].constant
    assert shifts(replaced("kind", ["a"] * ROWS))["kind"].constant
    names = pd.Series(table(6)["kind"].to_pylist()).mask(score.index % 200 == 0, "new")
    fresh = shifts(replaced("kind", names))["kind"]
    assert (fresh.new_share, fresh.new_values, fresh.constant) == (0.005, ("new",), False)
    assert json.loads(json.dumps(fresh.to_json(), allow_nan=False))["new_values"] == ["new"]


def test_a_category_of_numbers_is_one_of_names_and_a_changed_type_is_new() -> None:
    numbers = profile_rows(pa.table({"kind": [1, 2] * 100}), [FEATURES[3]])
    floats = compare_columns(numbers, profile_rows(pa.table({"kind": [1.0, 2.0] * 100}), [FEATURES[3]], numbers))
    assert (floats["kind"].new_share, floats["kind"].distance) == (0.0, 0.0)
    assert shifts(replaced("score", ["text"] * ROWS))["score"].new_share == 1.0


def test_other_bins_and_columns_are_refused() -> None:
    other = profile_rows(table(1, 2.0), FEATURES)
    with pytest.raises(ProfileError, match="the same bins"):
        REFERENCE.merge(other)
    with pytest.raises(ProfileError, match="column 'score': expected the reference's bins"):
        compare_columns(REFERENCE, other)
    with pytest.raises(ProfileError, match="the same columns"):
        REFERENCE.merge(profile_rows(table(1), FEATURES[:1], REFERENCE))
    with pytest.raises(ProfileError, match="expected the column 'score'; found kind"):
        profile_rows(table(1).select(["kind"]), FEATURES)


EXTREME = {
    "huge": np.array([-1.7e308, 1.7e308, *range(58)]),
    "tiny": np.arange(60) * 5e-324,
    "close": 1 + np.arange(60) * 2.3e-16,
    "unsigned": np.arange(2**64 - 60, 2**64 - 1, dtype=np.uint64),
    "whole": np.array([-(2**63), 2**63 - 1, *range(60)]),
    "constant": np.ones(60),
    "infinite": np.full(60, -np.inf),
    "times": pa.array(range(60), pa.timestamp("us")),
    "nothing": pa.nulls(60),
    "words": ["a"] * 60,
}


@pytest.mark.parametrize("name", EXTREME)
def test_any_numbers_have_a_profile_and_a_shift(name: str) -> None:
    one = [FEATURES[0]]
    before = profile_rows(pa.table({"score": pa.array(EXTREME[name])}), one)
    for other, values in EXTREME.items():
        now = profile_rows(pa.table({"score": pa.array(values)}), one, before)
        found = compare_columns(before, now)["score"]
        assert json.dumps([now.columns, found.to_json()], allow_nan=False)
        if other == name:
            assert (found.distance, found.psi, found.wasserstein, found.new_share) == (0.0, 0.0, 0.0, 0.0)
