import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.profile import FEWEST_ROWS
from models.spec import Feature
from monitoring.documents import read_json
from monitoring.drift import MOST_ROWS, MOST_VALUES, OTHER, _fold_rare, _plottable, _sampled, drift
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


def test_the_fewest_rows_are_enough_and_the_first_absent_column_is_named(tmp_path: Path) -> None:
    frame = rows(FEWEST_ROWS)
    assert drift(frame, frame, COLUMNS[:3], tmp_path)["status"] == "stable"
    with pytest.raises(DriftError, match=r"reference frame: expected the column 'rate'; found kind$"):
        drift(frame[["kind"]], frame, COLUMNS[:3], tmp_path)


def test_a_column_that_is_empty_now_is_dying_and_the_first_change_is_noted(tmp_path: Path) -> None:
    lost = drift(rows(400), rows(400, shift=1.5), [Feature("lost", "category", 1)], tmp_path)
    assert lost["dying"] == ["lost"]
    before = pd.DataFrame({"kind": np.repeat(["a", "b", "c"], [400, 300, 300])})
    found = drift(before, before.replace({"a": "b", "b": "d"}), [Feature("kind", "category", 1)], tmp_path)
    assert len(found["columns"]["kind"]["changes"]) > 1
    assert found["columns"]["kind"]["note"] == "a: 40.00% of the rows before, 0.00% now"


def test_numbers_among_objects_are_numbers(tmp_path: Path) -> None:
    objects = pd.Series([True, None] * 200, dtype=object)
    found = drift(
        pd.DataFrame({"flag": objects}),
        pd.DataFrame({"flag": pd.Series([1.0, np.nan] * 200)}),
        [Feature("flag", "number", 1)],
        tmp_path,
    )
    assert (found["status"], found["columns"]["flag"]["missing"]) == ("stable", {"reference": 0.5, "current": 0.5})


def test_the_page_is_evidentlys_where_it_can_plot(tmp_path: Path) -> None:
    ids = pd.DataFrame({"id": [f"value {number:04}" for number in range(1000)]}).iloc[[*range(1000), *[1, 2, 3] * 9]]
    drift(ids, ids, [Feature("id", "category", 1)], tmp_path)
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "Nothing could be plotted" not in page
    assert "<iframe" not in page
    assert OTHER in page
    assert "value 0002" in page
    assert "value 0900" not in page
    nothing = pd.DataFrame({"id": [None] * 100})
    drift(nothing, nothing, [Feature("id", "category", 1)], tmp_path)
    assert "Nothing could be plotted: 100 reference" in (tmp_path / "drift.html").read_text(encoding="utf-8")


def test_evidently_gets_the_kinds_and_that_one_column_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: dict[str, dict[str, object]] = {}
    for name in ("evidently.DataDefinition", "evidently.presets.DataDriftPreset", "evidently.Report"):
        module, made = name.rsplit(".", 1)
        real = getattr(importlib.import_module(module), made)

        def recorded(*given: object, real: Any = real, made: str = made, **named: object) -> Any:
            calls[made] = named
            return real(*given, **named)

        monkeypatch.setattr(name, recorded)
    drift(rows(100), rows(100), [COLUMNS[0], *COLUMNS[2:4]], tmp_path)
    assert calls["DataDefinition"] == {"numerical_columns": ["rate", "constant"], "categorical_columns": ["kind"]}
    assert calls["DataDriftPreset"]["columns"] == ["rate", "kind", "constant"]
    assert calls["DataDriftPreset"]["drift_share"] == 1 / 6
    assert calls["Report"] == {"include_tests": True}


@pytest.mark.parametrize(
    ("values", "plotted"),
    [
        ([0.0, 9e99], True),
        ([0.0, 1e100], False),
        ([-2e100, 0.0], False),
        ([1e308, -1e308], False),
        ([1.0, np.nan, 2.0], True),
    ],
)
def test_what_a_histogram_can_show_is_plotted(values: list[float], plotted: bool) -> None:
    frame, plain = pd.DataFrame({"x": values}), pd.DataFrame({"x": [0.0, 1.0]})
    assert _plottable(frame, plain, "x") is plotted
    assert _plottable(plain, frame, "x") is plotted


def test_a_sample_has_the_columns_alone_and_no_infinities() -> None:
    values = np.arange(MOST_ROWS + 1.0)
    values[:2] = [-np.inf, np.inf]
    names = np.array(["a", "b"])[np.arange(len(values)) % 2]
    few, many = ({"x": pa.array(values[:end]), "kind": pa.array(names[:end])} for end in (MOST_ROWS, MOST_ROWS + 1))
    kept = _sampled(few, ["x", "kind"])
    assert kept["x"].isna().sum() == 2
    np.testing.assert_array_equal(kept["x"][2:], values[2:MOST_ROWS])
    drawn = _sampled(many, ["x", "kind"])
    assert (list(drawn), len(drawn), list(drawn.index)) == (["x", "kind"], MOST_ROWS, list(range(MOST_ROWS)))
    assert not np.isinf(drawn["x"]).any()


def test_as_many_values_as_are_shown_stay_and_missing_ones_stay_missing() -> None:
    few = pd.DataFrame({"id": [*map(str, range(MOST_VALUES)), None]})
    kept = few.copy()
    _fold_rare(few, kept, ["id"])
    assert few.equals(kept)
    many = pd.DataFrame({"id": [*map(str, range(MOST_VALUES + 1)), None]})
    _fold_rare(few, many, ["id"])
    assert many["id"].isna().tolist() == [False] * (MOST_VALUES + 1) + [True]
    assert (many["id"] == OTHER).sum() == 2
