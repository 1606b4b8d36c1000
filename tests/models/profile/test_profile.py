"""A dying column is far from what it was; another draw of the same values is not."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.profile import FEWEST_ROWS, compare, distance, profile_of

ROWS = 2_000
RANDOM = np.random.default_rng(0)
NORMAL, POSITIVE = RANDOM.normal(size=ROWS), RANDOM.exponential(size=ROWS)
NOTHING, LOST = pa.nulls(ROWS), pa.array([None] * ROWS, pa.string())


def kept(column: Any) -> dict[str, Any]:
    """A profile as it comes back from disk."""
    return json.loads(json.dumps(profile_of(pa.array(column)), allow_nan=False))


DYING = {
    "one value, another": (np.ones(ROWS), np.zeros(ROWS)),
    "the other way": (np.zeros(ROWS), np.ones(ROWS)),
    "a flag of 95 % ones": (np.r_[np.ones(1900), np.zeros(100)], np.zeros(ROWS)),
    "a flag of 2 % ones": (np.r_[np.ones(40), np.zeros(1960)], np.zeros(ROWS)),
    "a flag of booleans": (np.arange(ROWS) >= 100, np.zeros(ROWS, dtype=bool)),
    "92 % fives, uniform": (np.r_[np.full(1840, 5.0), RANDOM.random(160) * 10], RANDOM.random(ROWS) * 10),
    "one value, noise around it": (np.ones(ROWS), 1 + NORMAL / 1000),
    "noise, one value in its middle": (NORMAL, np.full(ROWS, np.median(NORMAL))),
    "noise, its rounding": (NORMAL, NORMAL.round()),
    "many zeros, all zeros": (np.where(np.arange(ROWS) < 1200, 0, POSITIVE), np.zeros(ROWS)),
    "ten values, shifted by one": (np.arange(ROWS) % 10, np.arange(ROWS) % 10 + 1),
    "another unit": (POSITIVE, POSITIVE * 1000),
    "another sign": (POSITIVE, -POSITIVE),
    "infinities": (NORMAL, np.where(np.arange(ROWS) % 3 == 0, math.inf, NORMAL)),
    "one infinity, the other": (np.where(NORMAL > 1, math.inf, NORMAL), np.where(NORMAL > 1, -math.inf, NORMAL)),
    "half NaN": (NORMAL, np.where(np.arange(ROWS) % 2 == 0, math.nan, NORMAL)),
    "numbers, nothing": (NORMAL, NOTHING),
    "nothing, numbers": (NOTHING, NORMAL),
    "whole numbers beyond 2^53": (np.full(ROWS, 2**53), np.full(ROWS, 2**53 + 1)),
    "unsigned numbers": (np.full(ROWS, 2**64 - 1, np.uint64), np.full(ROWS, 2**64 - 2, np.uint64)),
    "times": (np.full(ROWS, np.datetime64("2026-01-01", "us")), np.full(ROWS, np.datetime64("1970-01-01", "us"))),
    "numbers, text": (np.arange(ROWS) % 3, (np.arange(ROWS) % 3).astype(str)),
    "text, numbers": ((np.arange(ROWS) % 3).astype(str), np.arange(ROWS) % 3),
    "two categories, swapped": (["a"] * 1500 + ["b"] * 500, ["b"] * 1500 + ["a"] * 500),
    "another case": (["DE", "FR"] * 1000, ["de", "fr"] * 1000),
    "a new category": (["a", "b"] * 1000, ["a"] * 100 + ["new"] * 1900),
    "categories, nothing": (["a", "b"] * 1000, LOST),
    "nothing, categories": (LOST, ["a", "b"] * 1000),
    "many keys, one of them": ([str(n) for n in range(ROWS)], ["1999"] * ROWS),
    "many keys, a new one": ([str(n) for n in range(100)] * 20, ["new"] * ROWS),
    "50 rows": ([1.0] * FEWEST_ROWS, [0.0] * FEWEST_ROWS),
    "50 rows of 20 categories": ([f"{n % 20}" for n in range(50)], [f"new {n % 20}" for n in range(50)]),
}


@pytest.mark.parametrize("name", DYING)
def test_a_dying_column_is_far_from_what_it_was(name: str) -> None:
    before, now = DYING[name]
    found = distance(kept(before), pa.array(now))
    assert found is not None
    assert found > 0.1


def drawn(name: str, rows: int, random: np.random.Generator) -> np.ndarray:
    makers: dict[str, Callable[[], np.ndarray]] = {
        "normal": lambda: random.normal(size=rows),
        "flag": lambda: (random.random(rows) < 0.02).astype(float),
        "fifteen": lambda: random.integers(0, 15, rows),
        "ages": lambda: random.integers(18, 98, rows),
        "zeros": lambda: np.where(random.random(rows) < 0.6, 0, random.exponential(size=rows)),
        "holes": lambda: np.where(random.random(rows) < 0.3, math.nan, random.normal(size=rows)),
        "heavy": lambda: random.zipf(1.5, rows).clip(max=10**6),
        "categories": lambda: random.integers(0, 20, rows).astype(str),
        "rare": lambda: random.zipf(1.5, rows).clip(max=10**6).astype(str),
        "keys": lambda: random.integers(0, 10**6, rows).astype(str),
    }
    return makers[name]()


@pytest.mark.parametrize(("rows", "now"), [(50, 50), (200, 200), (2_000, 2_000), (2_000, 100), (100, 2_000)])
def test_another_draw_of_the_same_is_hardly_ever_far(rows: int, now: int) -> None:
    """Ten kinds of columns, forty draws of each."""
    random, names = np.random.default_rng(rows + now), ("normal", "flag", "fifteen", "ages", "zeros", "holes")
    found = []
    for name in (*names, "heavy", "categories", "rare", "keys"):
        for _ in range(40):
            seen = compare(profile_of(pa.array(drawn(name, rows, random))), pa.array(drawn(name, now, random)))
            assert seen is not None
            found.append((seen.distance > 0.1, bool(seen.changes)))
    assert np.mean(found, axis=0).max() <= 0.01


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [(0.01, 0.03, True), (0.02, 0.0, True), (0.0, 0.02, True), (0.5, 0.56, True), (0.01, 0.0125, False)],
)
@pytest.mark.parametrize("kind", ["flag", "category", "missing", "infinite"])
def test_a_share_that_changes_is_found_small_or_large(before: float, now: float, found: bool, kind: str) -> None:
    def column(share: float) -> pa.Array:
        here = np.arange(4_000) < round(share * 4_000)
        noise = np.random.default_rng(round(share * 1000)).normal(size=4_000)
        if kind == "category":
            return pa.array(np.where(here, "rare", "common"))
        return pa.array(
            {"flag": here * 1.0}.get(kind, np.where(here, math.nan if kind == "missing" else math.inf, noise))
        )

    seen = compare(profile_of(column(before)), column(now))
    assert seen is not None
    assert bool(seen.changes) == found


def test_a_column_that_loses_its_values_is_dying_and_one_that_moves_is_not() -> None:
    names = ("a flag of 2 % ones", "infinities", "half NaN", "numbers, nothing", "many keys, one of them")
    for name, (before, now) in DYING.items():
        seen = compare(kept(before), pa.array(now))
        assert seen is not None
        if name in names:
            assert seen.dying, name
        if name in ("another unit", "two categories, swapped", "ten values, shifted by one", "nothing, numbers"):
            assert not seen.dying, name


VALUES = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, -0.0, 1.0]))


@settings(deadline=None, max_examples=50)
@given(st.lists(VALUES, min_size=FEWEST_ROWS, max_size=120), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_profile_and_a_column_is_not_far_from_itself(values: list, random: Any) -> None:
    mixed = values.copy()
    random.shuffle(mixed)
    for kind in (pa.float32(), pa.float64(), pa.string()):
        column, other = (
            pa.array([str(v)[:2] if kind == pa.string() and v is not None else v for v in side], kind)
            for side in (values, mixed)
        )
        assert kept(column) == kept(other)
        seen = compare(kept(column), other)
        assert seen is not None
        assert (seen.distance, seen.changes) == (0.0, [])


def test_whole_and_fractional_columns_of_one_value_are_the_same() -> None:
    whole = np.arange(ROWS) % 7
    for kind in (np.int8, np.uint64, np.float32, np.float64):
        for other in (np.int64, np.uint16, np.float32):
            assert distance(kept(whole.astype(kind)), pa.array(whole.astype(other))) == 0.0


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string())],
)
def test_columns_of_any_type_are_compared_with_one_another(kind: pa.DataType) -> None:
    texts = pa.array(["a", "b"] * 100)
    column = pa.array([[text] for text in texts.to_pylist()], kind) if pa.types.is_list(kind) else texts.cast(kind)
    assert distance(kept(column), column) == 0.0
    for other in (pa.nulls(200), pa.array([1.0] * 200), pa.array([True] * 200)):
        assert distance(kept(other), column) is not None
        assert (distance(kept(column), other) or 0.0) > 0.1


def test_few_rows_and_profiles_of_another_release_are_not_compared() -> None:
    column = pa.array(NORMAL)
    assert distance(kept(NORMAL[:49]), column) is distance(kept(NORMAL), column[:49]) is None
    assert compare(kept([]), column) is compare(kept(NORMAL), column[:0]) is None
    older = {"rows": ROWS, "missing": 0.0, "edges": [0.0], "shares": [0.5, 0.5]}
    broken = [{**kept(NORMAL), **part} for part in ({"values": 3}, {"edges": None})]
    strange: list[dict[str, Any]] = [older, {}, {"kind": "number"}, *broken]
    assert [distance(before, column) for before in strange] == [None] * 5
