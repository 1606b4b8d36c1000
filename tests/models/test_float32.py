"""What float32 loses, and what it only rounds."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.float32 import loss, survives

UNIX = 1.7e9
STEPS = np.arange(15.0)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (UNIX + STEPS, r"1700000001.0 in row 1, which float32 rounds to 1700000000"),
        ((UNIX + STEPS).astype(np.int64), r"1700000001 in row 1, which float32 rounds to 1700000000"),
        (UNIX + STEPS + 0.25, "1700000000.25 and 1700000001.25 in rows 0 and 1: of 15 different .* leaves 1"),
        (np.append(UNIX + STEPS + 0.25, [0.0, -1e5, 1.2e9]), "of 16 different .* leaves 2"),
        (1 + STEPS * 1e-10, "of 15 different numbers"),
        (np.array([1.0, 1e39]), "1e.39 in row 1, which is infinite"),
        (np.array([np.nan, -1e39]), "-1e.39 in row 1, which is infinite"),
        (np.array([2**24 + 1]), "16777217 in row 0"),
        (np.array([2**60 + 1]), "1152921504606846977 in row 0"),
        (np.array([2**64 - 1], np.uint64), "18446744073709551615 in row 0"),
        (np.array([1e-50, 2e-50]), "1e-50 in row 0, which is 0.0"),
        (np.array([1e-42]), "1e-42 in row 0, which is 1.0005"),
    ],
)
def test_what_is_lost_is_reported_with_an_example(values: np.ndarray, found: str) -> None:
    lost = loss(values)
    assert lost is not None
    assert re.search(found, lost.found), lost.found


@pytest.mark.parametrize(
    "values",
    [
        np.array([]),
        np.array([np.nan, np.inf, -np.inf, 0.1]),
        np.array([-0.0, 0.0, 19.99, 20.99, 0.1]),
        np.array([0.3, 0.1 + 0.2]),  # one value, computed in two ways
        np.array([1e30, 3e38, -2.5e20]),
        np.array([0.5, 1e-60]),
        np.array([2**24, 2**25, -(2**62)]),
        np.array([2**63], np.uint64),
        np.array([True, False]),
        np.array([UNIX, UNIX + 1], np.float32),
        np.random.default_rng(0).normal(size=50_000),
        300 + np.random.default_rng(0).random(200_000),
        np.r_[np.random.default_rng(0).random(1_000), 1 / 3, 0.3333333333, 1_000_000.01, 1_000_000.02],
        np.log1p(np.random.default_rng(0).integers(0, 10**8, 5_000)),
        UNIX + np.random.default_rng(0).random(5_000) * 3e7,
    ],
)
def test_what_is_only_rounded_survives(values: np.ndarray) -> None:
    assert loss(values) is None


def test_rows_are_named_as_the_caller_numbers_them() -> None:
    lost = loss(np.array([1, 2**24 + 1]), np.array([7, 9]))
    assert lost is not None
    assert (lost.row, "in row 9" in lost.found) == (9, True)


@given(st.lists(st.integers(-(2**24), 2**24) | st.sampled_from([2**24 + 1, 2**30, 2**53 - 1, -(2**40) - 1])))
def test_whole_numbers_are_exact_or_lost(values: list[int]) -> None:
    exact = all(int(np.float32(value)) == value for value in values)
    assert (loss(np.array(values, np.int64)) is None) == (loss(np.array(values, np.float64)) is None) == exact
    assert all(survives(float(value)) == (int(np.float32(value)) == value) for value in values)
