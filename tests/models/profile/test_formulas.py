"""Profiles and distances against numbers worked out by hand."""

import numpy as np
import pyarrow as pa
import pytest

from models.profile import column, compare, count_values, profile_of
from models.profile.compare import _number_cells


def test_a_frequent_number_does_not_move_the_bounds_of_bins() -> None:
    column = pa.array([0] * 300 + list(range(1, 701)))
    profile = profile_of(column)
    assert profile["edges"] == list(range(70, 701, 70))
    assert profile["bins"] == [370] + [70] * 9
    assert profile["least"] == 0
    assert profile["values"] == [[0, 300]]


def test_the_200_most_frequent_values_are_kept() -> None:
    names = [f"name {number:03d}" for number in range(250)]
    profile = profile_of(pa.array([name for place, name in enumerate(names) for _ in range(300 - place)]))
    assert profile["values"] == [[name, 300 - place] for place, name in enumerate(names[:200])]
    assert profile["most"] == 100


def test_minus_zero_is_zero() -> None:
    profile = profile_of(pa.array([-0.0] * 60))
    assert str(profile["least"]) == "0.0"
    assert str(profile["values"]) == "[[0.0, 60]]"


def test_whole_numbers_are_counted_up_to_a_fraction() -> None:
    counts = count_values(pa.array([1, 2, 2, 3]))
    assert [counts.up_to(bound) for bound in (0.5, 1, 2.5, 3)] == [0, 1, 3, 4]
    assert [counts.up_to(bound, below=True) for bound in (1, 2, 2.5, 9)] == [0, 1, 3, 4]
    assert [counts.count(value) for value in (2, 2.5)] == [2, 0]


def test_the_total_variation_of_a_category() -> None:
    before = profile_of(pa.array(["a"] * 500 + ["b"] * 500))
    found = compare(before, pa.array(["a"] * 700 + ["b"] * 300))
    assert found is not None
    assert found.distance == pytest.approx(0.2)


def test_the_psi_of_a_number_is_less_its_mean_under_no_change() -> None:
    before = profile_of(pa.array([0.0] * 500 + [1.0] * 500))
    found = compare(before, pa.array([0.0] * 700 + [1.0] * 300))
    assert found is not None
    psi = 0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5)
    assert found.distance == pytest.approx(psi - (2 - 1) * (1 / 1000 + 1 / 1000), abs=1e-8)


def test_a_number_with_a_share_of_one_percent_has_its_own_cell() -> None:
    before = profile_of(pa.array(np.linspace(0, 10, 1000)))
    rare, frequent = [7.7] * 6, [8.8] * 30
    cells = _number_cells(before, count_values(pa.array([*np.linspace(0, 10, 964), *rare, *frequent])))
    assert "8.8" in cells.names
    assert "7.7" not in cells.names
    stored = profile_of(pa.array([*np.linspace(0, 10, 990), *[7.7] * 5, *[7.8] * 5]))
    assert "7.7" not in _number_cells(stored, count_values(pa.array([*np.linspace(0, 10, 990), *[7.7] * 10]))).names


def test_two_in_a_thousand_that_go_missing_are_a_change_and_that_many_new_values_are_none() -> None:
    column = np.linspace(0, 1, 10_000)
    before = profile_of(pa.array(column))
    missing = compare(before, pa.array([*column[20:], *[None] * 20]))
    assert missing is not None
    assert [change.what for change in missing.changes] == ["no value"]
    assert missing.dying
    fresh = compare(before, pa.array([*column[20:], *[5.0] * 20]))
    assert fresh is not None
    assert not fresh.changes


def test_the_largest_change_comes_first() -> None:
    before = profile_of(pa.array(["a"] * 400 + ["b"] * 300 + ["c"] * 300))
    found = compare(before, pa.array(["a"] * 150 + ["b"] * 400 + ["c"] * 450))
    assert found is not None
    assert [change.what for change in found.changes] == ["a", "c", "b"]


def test_bounds_outside_of_a_type_are_before_or_after_all_numbers() -> None:
    numbers = np.array([-3, 0, 5], np.int8)
    assert [column._place(numbers, bound, "right") for bound in (-129, -3, 0.5, 127, 128)] == [0, 1, 2, 3, 3]
    assert [column._place(numbers, bound, "left") for bound in (-129, -3, 0.5, 127, 128)] == [0, 0, 2, 3, 3]
