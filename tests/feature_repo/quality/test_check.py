"""What the gate finds, on tables of a few rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.quality import check, kinds_of, profile
from feature_repo.quality.profile import FEWEST_ROWS
from models.spec.expectations import CheckedView, Expectation
from models.spec.nodes import View

NOW = datetime(2026, 1, 10, tzinfo=UTC)
UNTIL = int(NOW.timestamp()) * 1_000_000


def _table(score: list[float | None], country: list[str | None] | None = None) -> pa.Table:
    rows = len(score)
    return pa.table(
        {
            "score": pa.array(score, pa.float32()),
            "country": pa.array(country or ["de"] * rows, pa.string()),
            "time": pa.array([NOW - timedelta(days=2)] * rows, pa.timestamp("us", tz="UTC")),
        }
    )


def _found(
    table: pa.Table, previous: pa.Table | None = None, fresh: float | None = None, **features: dict
) -> list[str]:
    expected = CheckedView(
        expectations={name: Expectation(**parts) for name, parts in features.items()}, fresh_within_days=fresh
    )
    before = None if previous is None else profile(previous, list(features))
    return [str(finding) for finding in check("profile", expected, table, "time", before, UNTIL)]


def test_nothing_declared_nothing_found() -> None:
    assert _found(_table([None, float("nan"), -1e9])) == []


@pytest.mark.parametrize(
    ("score", "parts", "message"),
    [
        ([None, 1.0], {"nulls": 0.4}, "no value for at most 0.4 of the keys; found 0.5 (1 of 2 keys)"),
        ([float("nan"), 1.0], {"nulls": 0.4}, "found 0.5 (1 of 2 keys)"),
        ([-1.0, 1.0], {"min": 0}, "values of at least 0; found -1"),
        ([11.0, 1.0], {"max": 10}, "values of at most 10; found 11"),
        ([float("inf")], {"max": 10}, "found inf"),
    ],
)
def test_a_broken_expectation_says_what_was_expected_and_found(
    score: list[float | None], parts: dict[str, float], message: str
) -> None:
    (finding,) = _found(_table(score), score=parts)
    assert finding.startswith("view profile, score: expected ")
    assert message in finding
    assert f"`{next(iter(parts))}`" in finding


def test_on_the_bound_is_kept() -> None:
    # 0.1 as float32 is a little more than 0.1
    assert _found(_table([None, 0.1, 0.1]), score={"nulls": 1 / 3, "min": 0.1, "max": 0.1}) == []


def test_freshness_is_that_of_the_newest_row() -> None:
    assert _found(_table([1.0]), fresh=2) == []
    (finding,) = _found(_table([1.0]), fresh=1.5)
    assert finding.startswith("view profile: expected a row of the last 1.5 days before 2026-01-10")
    assert "found 2026-01-08" in finding
    (finding,) = _found(_table([]), fresh=30, score={"nulls": 0.0, "min": 0, "drift": 0.1})
    assert "found no row" in finding


def test_categories_drift_by_total_variation() -> None:
    before = _table([0.0] * 100, ["de"] * 50 + ["fr"] * 40 + [None] * 10)
    after = _table([0.0] * 100, ["de"] * 50 + ["fr"] * 10 + ["new"] * 30 + [None] * 10)
    assert _found(after, before, country={"drift": 0.3}) == []
    (finding,) = _found(after, before, country={"drift": 0.29})
    assert "a total variation of at most 0.29 from the last good values; found 0.3" in finding


def test_numbers_drift_by_the_stability_index() -> None:
    random = np.random.default_rng(0)
    before, alike = (_table(list(random.normal(0, 1, 2_000))) for _ in range(2))
    assert _found(alike, before, score={"drift": 0.1}) == []
    shifted, gone = _table(list(random.normal(1, 1, 2_000))), _table([None] * 2_000)
    for table in (shifted, gone):
        (finding,) = _found(table, before, score={"drift": 0.5})
        assert "a PSI of at most 0.5" in finding


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([1.0] * 2_000, [0.0] * 2_000),
        ([1.0] * 1_900 + [0.0] * 100, [0.0] * 2_000),
        ([5.0] * 1_840 + [1.0] * 160, [row / 200 for row in range(2_000)]),
        ([1.0] * 2_000, [1.0] * 1_400 + [float("inf")] * 600),
        ([1.0] * 2_000, [1.0] * 1_000 + [None] * 1_000),
    ],
)
def test_a_column_that_dies_is_refused(before: list[float | None], now: list[float | None]) -> None:
    (finding,) = _found(_table(now), _table(before), score={"drift": 0.1})
    assert "a PSI of at most 0.1 from the last good values; found" in finding


def test_a_profile_that_cannot_be_read_is_none() -> None:
    table, expected = _table([1.0] * 100), CheckedView(expectations={"score": Expectation(drift=0.1)})
    older = {"score": {"rows": 100, "missing": 0.0, "edges": [0.0], "shares": [0.0, 1.0]}}
    for previous in (older, {"score": None}, {"score": {"kind": "number"}}, {}):
        assert check("profile", expected, table, "time", previous, UNTIL) == []


def test_a_vector_with_a_hole_in_it_is_no_value() -> None:
    vectors = [[1.0, 2.0], [float("nan"), 1.0], [None, float("nan")], None]
    table = _table([1.0] * 4)
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.large_list(pa.float64())):
        (finding,) = _found(table.append_column("vector", pa.array(vectors, kind)), vector={"nulls": 0.5})
        assert "found 0.75 (3 of 4 keys)" in finding


def test_few_rows_and_the_first_run_are_not_judged_for_drift() -> None:
    few, many = _table([5.0] * (FEWEST_ROWS - 1)), _table([0.0] * 100)
    assert _found(few, many, score={"drift": 0.01}) == _found(many, few, score={"drift": 0.01}) == []
    assert _found(many, None, score={"drift": 0.01}) == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=FEWEST_ROWS, max_size=80), st.randoms())
def test_a_table_does_not_drift_from_itself_in_another_order(score: list[float | None], random: object) -> None:
    country = [None if value is None else str(value)[:1] for value in score]
    order = list(range(len(score)))
    random.shuffle(order)  # type: ignore[attr-defined]
    before = _table(score, country)
    tiny = {"drift": 1e-9}
    assert _found(before.take(order), before, score=tiny, country=tiny) == []


def test_a_rare_value_that_was_one_of_two_is_missed() -> None:
    before, now = _table([0.0] * 1980 + [1.0] * 20), _table([0.0] * 2000)
    (finding,) = _found(now, before, score={"drift": 0.1})
    assert "expected more than one value, as in the last good values; found a single one" in finding
    assert _found(before, before, score={"drift": 0.1}) == []


def test_vectors_drift_by_their_norms_and_texts_by_their_characters() -> None:
    view = View(
        table="posts",
        features={"title": "text", "place": "vector[2]"},
        expectations={"title": Expectation(drift=0.2), "place": Expectation(drift=0.2)},
    )

    def table(titles: list[str | None], places: list[list[float] | None]) -> pa.Table:
        times = pa.array([NOW] * len(titles), pa.timestamp("us", tz="UTC"))
        vectors = pa.array(places, pa.list_(pa.float32()))
        return pa.table({"title": pa.array(titles, pa.string()), "place": vectors, "time": times})

    def found(now: pa.Table) -> list[str]:
        return [str(one) for one in check("posts", view, now, "time", profiles, UNTIL)]

    good = table(["red", "blue shoes"] * 50, [[1.0, 0.0], [0.0, 2.0]] * 50)
    profiles = profile(good, ["title", "place"], kinds_of(view))
    assert found(table(["tan", "pink shoes"] * 50, [[0.0, 1.0], [2.0, 0.0]] * 50)) == []
    assert found(table([], [])) == []
    title, place = found(table(["", "blue shoes"] * 50, [[9.0, 0.0], None] * 50))
    assert "title: expected a PSI of the numbers of characters of at most 0.2" in title
    assert "place: expected a PSI of the norms of at most 0.2" in place
    gone = found(table([None] * 100, [None] * 100))  # null is not ""
    assert len(gone) == 2
