import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.spec import Feature
from monitoring.documents import read_json
from monitoring.drift import MOST_ROWS, MOST_VALUES, OTHER, _fold_rare, _sampled, drift
from monitoring.errors import DriftError
from tests.monitoring.pages import Page

COLUMNS = [
    Feature("rate", "number", 1),
    Feature("same", "number", 1),
    Feature("kind", "category", 1),
    Feature("constant", "number", 1),
    Feature("nothing", "number", 1),
    Feature("lost", "category", 1),
    Feature("tokens", "vector", 4),
]


def rows(count: int, shift: float = 0.0, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "rate": generator.normal(shift, 1, count),
            "same": np.where(generator.random(count) < 0.2, np.nan, generator.normal(0, 1, count)),
            "kind": generator.choice(["a", "b"], count, p=[0.5 + shift / 4, 0.5 - shift / 4]),
            "constant": 1.0,
            "nothing": np.nan,
            "lost": pd.Series(["x"] * count if not shift else [None] * count, dtype=object),
        }
    )


@pytest.mark.parametrize("count", [3000, 400])
def test_moved_columns_are_found_and_still_ones_are_not(tmp_path: Path, count: int) -> None:
    found = drift(rows(count), rows(count, shift=1.5, seed=1), COLUMNS, tmp_path)
    assert found["drifted"] == ["rate", "kind", "lost"]
    assert found["columns"]["nothing"]["drifted"] is None
    assert found["columns"]["lost"]["note"] == "no values in the current rows"
    assert found["share"] == pytest.approx(3 / 5)
    assert found["status"] == "drifted"
    assert "tokens" not in found["columns"]
    assert read_json(tmp_path / "drift.json") == found
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert Page(page).external == []
    assert os.environ["DO_NOT_TRACK"] == "1"


def test_the_same_rows_are_stable_and_the_result_is_the_same_twice(tmp_path: Path) -> None:
    big = rows(12_000)
    first, second = drift(big, big, COLUMNS, tmp_path / "a"), drift(big, big, COLUMNS, tmp_path / "b")
    assert first == second
    assert first["status"] == "stable"
    assert first["drifted"] == []
    assert first["rows"] == {"reference": 12_000, "current": 12_000}


@pytest.mark.parametrize("count", [0, 49])
def test_too_few_rows_are_a_result_not_an_error(tmp_path: Path, count: int) -> None:
    many, few = rows(1000), rows(1000).iloc[:count]
    for before, now in ((few, many), (many, few)):
        found = drift(before, now, COLUMNS, tmp_path)
        assert found["status"] == "not_enough_rows"
        assert found["share"] is None
        assert f"{len(now)} current rows" in (tmp_path / "drift.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("distance", "drifted"), [(0.09, []), (0.11, ["kind"])])
def test_a_column_drifts_by_its_distance_where_no_single_value_changes_much(
    tmp_path: Path, distance: float, drifted: list[str]
) -> None:
    """Ten categories of 10 %; five become more frequent and five less, together by the distance."""
    sizes = 10_000 + np.round(np.repeat([1, -1], 5) * distance / 5 * 100_000).astype(int)
    before, now = (pd.DataFrame({"kind": np.repeat(list("abcdefghij"), size)}) for size in (10_000, sizes))
    found = drift(before, now, [Feature("kind", "category", 1)], tmp_path)
    assert found["columns"]["kind"]["score"] == pytest.approx(distance)
    assert found["columns"]["kind"]["changes"] == []
    assert found["drifted"] == drifted


def test_a_column_that_was_empty_before_drifts_and_is_not_dying(tmp_path: Path) -> None:
    found = drift(rows(400, shift=1.5), rows(400), [Feature("lost", "category", 1)], tmp_path)
    assert (found["drifted"], found["dying"]) == (["lost"], [])
    assert found["columns"]["lost"]["note"] == "no values in the reference rows"


def test_evidently_gets_a_sample_that_keeps_a_column_s_only_value() -> None:
    lonely = np.full(MOST_ROWS + 5000, np.nan)
    lonely[7] = 3.0
    columns = {"lonely": pa.array(lonely, from_pandas=True), "full": pa.array(np.arange(len(lonely)))}
    sample = _sampled(columns, ["lonely", "full"])
    assert len(sample) == MOST_ROWS + 1
    assert sample["lonely"].dropna().tolist() == [3.0]


def test_evidently_gets_the_most_frequent_values_of_a_category() -> None:
    before = pd.DataFrame({"id": [f"{value}" for value in range(60) for _ in range(value + 1)]})
    now = before.copy()
    _fold_rare(before, now, ["id"])
    assert set(now["id"]) == {f"{value}" for value in range(60 - MOST_VALUES + 1, 60)} | {OTHER}
    assert before.equals(now)


def test_nothing_to_compare_is_a_result_not_an_error(tmp_path: Path) -> None:
    found = drift(rows(100), rows(100), [Feature("nothing", "number", 1), Feature("tokens", "vector", 4)], tmp_path)
    assert found["status"] == "nothing_to_compare"
    assert (tmp_path / "drift.html").is_file()


def test_infinities_and_thousands_of_categories_are_handled(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": generator.integers(0, 10**6, 2000).astype(str),
            "value": np.r_[np.full(1000, np.inf), generator.normal(size=1000)],
        }
    )
    found = drift(frame, frame, [Feature("id", "category", 1), Feature("value", "number", 1)], tmp_path)
    assert found["status"] == "stable"
    assert found["columns"]["value"]["missing"]["current"] == 0.5


def share(count: int, share: float, value: object, other: object) -> pd.Series:
    return pd.Series([value] * round(count * share) + [other] * (count - round(count * share)))


@pytest.mark.parametrize(
    ("kind", "before", "now", "dying"),
    [
        ("category", share(2000, 0.0, None, "a"), share(2000, 0.95, None, "a"), True),
        ("number", pd.Series(range(2000)), share(600, 1, np.inf, 0).combine_first(pd.Series(range(2000))), True),
        ("number", pd.Series(range(2000)), pd.Series(range(2000)).where(lambda value: value % 2 == 0), True),
        ("number", share(4000, 0.01, 1, 0), share(4000, 0.03, 1, 0), False),
        ("number", share(4000, 0.02, 1, 0), share(4000, 0.0, 1, 0), True),
        ("category", share(4000, 0.02, "rare", "a"), share(4000, 0.0, "rare", "a"), True),
        ("category", share(4000, 0.5, "a", "b"), share(4000, 0.5, "A", "b"), False),
        ("number", share(2000, 0.0, None, 1.5), share(2000, 0.02, None, 1.5), True),
        ("number", pd.Series([True] * 1900 + [False] * 100), pd.Series([False] * 2000), True),
        ("number", share(2000, 1, 2**53, 0), share(2000, 1, 2**53 + 1, 0), False),
    ],
)
def test_one_column_that_goes_is_seen_among_others_that_stay(
    tmp_path: Path, kind: str, before: pd.Series, now: pd.Series, dying: bool
) -> None:
    frames = [rows(len(column), seed=seed).assign(gone=column) for seed, column in enumerate((before, now))]
    found = drift(*frames, [*COLUMNS[:4], Feature("gone", kind, 1)], tmp_path)  # type: ignore[arg-type]
    assert found["drifted"] == ["gone"]
    assert found["status"] == "drifted"
    assert found["dying"] == (["gone"] if dying else [])
    assert found["columns"]["gone"]["note"]
    assert found["share"] == 1 / 5


def test_other_draws_of_the_same_are_stable_in_any_number(tmp_path: Path) -> None:
    """By Evidently's own choice of tests 3 of 20 such runs had a drifted column."""
    found = [drift(rows(400, seed=n), rows(400, seed=100 + n), COLUMNS[:4], tmp_path)["status"] for n in range(20)]
    assert found.count("drifted") <= 1


def test_a_category_read_as_floats_is_the_same_category(tmp_path: Path) -> None:
    whole = pd.Series([7, 8] * 500)
    frames = [
        pd.DataFrame({"tag": column}) for column in (whole, whole.astype(float), whole.astype("Int64").astype(object))
    ]
    for frame in frames[1:]:
        assert drift(frames[0], frame, [Feature("tag", "category", 1)], tmp_path)["columns"]["tag"]["score"] == 0


def test_numbers_that_no_histogram_can_show_are_judged_all_the_same(tmp_path: Path) -> None:
    before = pd.DataFrame({"large": [1e308, -1e308] * 500, "near": [1 + 1e-16 * n for n in range(1000)]})
    features = [Feature(name, "number", 1) for name in before]
    assert drift(before, before, features, tmp_path)["status"] == "stable"
    assert drift(before, before * 0, features, tmp_path)["drifted"] == ["large", "near"]


def test_the_summary_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    before, now = rows(12_000), rows(12_000, shift=0.2, seed=1)
    found = drift(before, now, COLUMNS, tmp_path)
    assert drift(before.iloc[::-1], now.sample(frac=1, random_state=0), COLUMNS, tmp_path) == found


def test_an_absent_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DriftError, match="current frame: expected the column 'rate'"):
        drift(rows(100), rows(100).drop(columns="rate"), COLUMNS, tmp_path)
    assert list(tmp_path.iterdir()) == []
