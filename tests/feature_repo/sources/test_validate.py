"""Each bad input of an adapter ends in one sentence that names table, column, what was expected and what was found."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.sources.errors import SourceError
from feature_repo.sources.validate import check_leaks, validate
from tests.feature_repo.sources.fakes import TABLES, instants, small_spec, small_tables

Change = Callable[[dict[str, pd.DataFrame]], object]


def setting(table: str, column: str, row: int, value: object) -> Change:
    """A change of one value."""

    def change(tables: dict[str, pd.DataFrame]) -> None:
        frame = tables[table]
        values = frame[column].astype(object).tolist()
        values[row] = value
        frame[column] = pd.Series(values).infer_objects()

    return change


def column(table: str, name: str, values: object) -> Change:
    return lambda tables: tables[table].__setitem__(name, values)


def milliseconds_as_microseconds(tables: dict[str, pd.DataFrame]) -> None:
    tables["members"]["valid_from"] = pd.to_datetime([1767225600000] * 2, unit="us", utc=True)


BAD = [
    (
        "missing column",
        lambda t: t["members"].pop("age"),
        "table members: expected the columns .* found none named age",
    ),
    ("extra column", column("members", "oops", 1), "table members: expected the columns .* found extra oops"),
    ("missing table", lambda t: t.pop("follows"), "expected the tables follows, .*; found impressions, members"),
    ("null key", setting("impressions", "member_id", 1, None), "impressions, column member_id: expected .* 1 null"),
    ("null time", setting("impressions", "time", 0, pd.NaT), "impressions, column time: expected a value in every row"),
    ("null label", setting("impressions", "clicked", 2, None), "impressions, column clicked: expected a value"),
    (
        "label",
        setting("impressions", "clicked", 2, 2),
        "impressions, column clicked: expected one of 0, 1; found 1 rows such as 2",
    ),
    (
        "surface",
        setting("impressions", "surface", 0, "fax"),
        "column surface: expected one of feed, mail; found .* 'fax'",
    ),
    (
        "key type",
        column("impressions", "member_id", list("abcd")),
        "column member_id: expected 64-bit integers; found object",
    ),
    ("item type", column("impressions", "post_id", [1, 2, 3, 4]), "column post_id: expected strings; found int64"),
    (
        "settled early",
        column("impressions", "settled_time", instants(["2026-01-01"] * 4)),
        "table impressions: expected settled_time not before time; found 4 rows where that is not so",
    ),
    (
        "key twice",
        column("impressions", "impression_id", [0, 1, 2, 2]),
        "impression_id: expected one row per key; found 1",
    ),
    (
        "time type",
        column("members", "valid_from", [1, 2]),
        "column valid_from: expected times with a zone .* found int64",
    ),
    ("time unit", milliseconds_as_microseconds, "column valid_from: expected a time not before 2000-01-01 .*unit"),
    ("number", column("members", "age", ["old", "young"]), "members, column age: expected numbers; found object"),
    ("category", column("members", "job", [1, 2]), "members, column job: expected strings; found int64"),
    (
        "vector",
        column("members", "taste", [[1.0, 2.0], [1.0]]),
        "column taste: expected vectors of 2 numbers; found 1 rows",
    ),
    ("ragged vector", column("members", "taste", [[[1.0], [1.0, 2.0]], [1.0, 2.0]]), "taste: expected vectors of 2"),
    ("vector of text", column("members", "taste", [["a", "b"], [1.0, 2.0]]), "taste: expected vectors of 2 numbers"),
    ("vector of none", column("members", "taste", [[None, 1.0], [1.0, 2.0]]), "taste: expected vectors of 2 numbers"),
    ("vector as dict", column("members", "taste", [{"a": 1}, [1.0, 2.0]]), "taste: expected vectors of 2 numbers"),
    (
        "large key",
        column("members", "member_id", np.array([1, 2**63], "uint64")),
        "member_id: expected 64-bit integers",
    ),
    ("key of lists", column("impressions", "impression_id", [[1], [2], [3], [4]]), "impression_id: expected 64-bit"),
    (
        "surface of lists",
        column("impressions", "surface", [["feed"]] * 4),
        "surface: expected one of feed, mail; found 4",
    ),
    ("label of text", column("impressions", "clicked", ["1", "0", "1", "1"]), "clicked: expected one of 0, 1; found 4"),
    ("weight of text", column("follows", "strength", ["a", "b", "c"]), "strength: expected numbers; found object"),
    ("late time", column("members", "valid_from", instants(["2250-01-01"] * 2)), "before 2200-01-01 .check the unit"),
    (
        "filter value",
        column("follows", "kind", [1, 2, 3]),
        "edges.follows.filter.kind: expected values that the column can hold .whole numbers.; found 'follow'",
    ),
    ("context leak", column("impressions", "hour", [1, 1, 0, 1]), "column hour: expected context .* outcome clicked"),
    ("weight", setting("follows", "strength", 0, -1.0), "follows: expected a positive strength wherever edge follows"),
    (
        "edge key",
        column("follows", "followed_id", pd.array([None, 1, 1], dtype="Int64")),
        "a key in followed_id wherever",
    ),
]


@pytest.mark.parametrize(("change", "message"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_tables_stop_the_run(change: Change, message: str) -> None:
    tables = small_tables()
    change(tables)
    with pytest.raises(SourceError, match=message):
        validate(small_spec(), tables, TABLES)


def test_a_null_where_a_task_is_not_defined_is_told_what_to_do() -> None:
    spec, tables = small_spec(), small_tables()
    tables["impressions"]["seconds"] = [0, 1, None, 1]
    tasks = {**spec.tasks, "mail_click": spec.tasks["mail_click"].model_copy(update={"label": "seconds"})}
    with pytest.raises(SourceError, match=r"column seconds: .* 1 nulls.*row 2\. Write 0 where task mail_click is not"):
        validate(spec.model_copy(update={"tasks": tasks}), tables, TABLES)


def test_an_outcome_in_a_feature_table_is_a_leak() -> None:
    columns = {**TABLES, "members": (*TABLES["members"], "seconds")}
    with pytest.raises(
        SourceError, match=r"table members \(view profile\): expected .*found the outcome column seconds"
    ):
        check_leaks(small_spec(), columns)
    check_leaks(small_spec(), TABLES)


def test_duplicates_and_impressions_before_the_windows_are_dropped_and_counted() -> None:
    tables = small_tables()
    shown = tables["impressions"]
    outside = shown.iloc[:2].assign(
        impression_id=[8, 9],
        time=instants(["2025-12-31 23:59", "2026-01-08 00:00"]),
        settled_time=instants(["2026-01-01 00:01", "2026-01-08 00:01"]),
    )
    tables["impressions"] = pd.concat([shown, outside, shown.iloc[1:3]], ignore_index=True)
    tables["members"] = pd.concat([tables["members"], tables["members"].iloc[:1]], ignore_index=True)
    late = tables["follows"].iloc[:1].assign(time=instants(["2026-01-08 00:00"]))
    tables["follows"] = pd.concat([tables["follows"], late], ignore_index=True)
    tables["follows"].attrs["dropped"] = {"of robots": 5}
    clean, dropped, *_ = validate(small_spec(), tables, TABLES)
    assert dropped == {
        "impressions": {"duplicates": 2, "before the first window": 1},
        "members": {"duplicates": 1},
        "follows": {"of robots": 5},
    }
    assert clean["impressions"]["impression_id"].tolist() == [3, 0, 1, 2, 9]
    assert len(clean["follows"]) == 4  # history before the first window stays, and so does what comes after the last


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=8), st.randoms())
def test_dropping_duplicates_is_idempotent_and_order_blind(repeats: list[int], random) -> None:
    tables = small_tables()
    shown = tables["impressions"]
    order = [*range(len(shown)), *repeats]
    random.shuffle(order)
    clean, dropped, *_ = validate(small_spec(), {**tables, "impressions": shown.iloc[order]}, TABLES)
    assert sorted(clean["impressions"]["impression_id"]) == [0, 1, 2, 3]
    assert dropped["impressions"].get("duplicates", 0) == len(repeats)
    again, nothing, *_ = validate(small_spec(), clean, TABLES)
    assert not any(nothing.values())
    pd.testing.assert_frame_equal(again["impressions"], clean["impressions"])


def test_vectors_are_compared_by_value() -> None:
    tables = small_tables()
    members = tables["members"]
    other = members.iloc[:1].assign(taste=[np.array([9.0, 9.0])])
    tables["members"] = pd.concat([members, other, members.iloc[:1]], ignore_index=True)
    clean, dropped, *_ = validate(small_spec(), tables, TABLES)
    assert dropped["members"] == {"duplicates": 1}
    assert len(clean["members"]) == 3


def test_columns_that_the_spec_does_not_name_may_hold_anything() -> None:
    """Such as dicts and ragged lists, which neither pandas nor numpy can compare by themselves."""
    tables = small_tables()
    members = tables["members"].assign(notes=[{"a": [1, [2]]}, [[1], [1, 2]]])
    tables["members"] = pd.concat([members, members.iloc[:1]], ignore_index=True)
    columns = {**TABLES, "members": (*TABLES["members"], "notes")}
    clean, dropped, *_ = validate(small_spec(), tables, columns)
    assert dropped["members"] == {"duplicates": 1}
    assert len(clean["members"]) == 2


def test_impressions_of_other_days_are_named() -> None:
    tables = small_tables()
    tables["impressions"]["time"] = instants(["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"])
    tables["impressions"]["settled_time"] = tables["impressions"]["time"]
    with pytest.raises(SourceError, match=r"found none, but rows from 2026-04-30 16:00:00.* to 2026-05-03 16:00:00"):
        validate(small_spec(), tables, TABLES)


def test_impressions_after_the_windows_alone_are_not_enough() -> None:
    tables = small_tables()
    later = instants(["2026-01-08 00:00"] * 4)
    tables["impressions"] = tables["impressions"].assign(time=later, settled_time=later)
    with pytest.raises(SourceError, match=r"expected impressions between .* and 2026-01-07 16:00:00"):
        validate(small_spec(), tables, TABLES)
