"""As-of joins read the newest row strictly before, whatever comes later and in whatever order the rows lie."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.sources.adapters import check
from feature_repo.sources.declared.joins import joined
from feature_repo.sources.declared.rows import Declared
from feature_repo.sources.errors import SourceError
from models.spec.source import AsOf, SourceTable
from tests.feature_repo.sources.declared.shop import TABLES, shop_spec, tables

JOIN = {"price": AsOf(table="prices", column="price", key="item", time="at", at="time")}
HERE = Declared("shown", SourceTable(files="a.csv", columns={"item": "i", "time": "t"}, asof=JOIN), {}, "UTC")
ROW = st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 5))


def prices(rows: list, others: list) -> list:
    """The joined column of rows (item, time)."""
    here = pa.table({"item": [row[0] for row in rows], "time": _times([row[1] for row in rows])})
    columns = list(zip(*others, strict=True)) or [(), (), ()]
    there = {
        "item": pa.array(columns[0], pa.int64()),
        "at": _times(columns[1]),
        "price": pa.array(columns[2], pa.int64()),
    }
    return joined(here, HERE, {"prices": pa.table(there)})["price"].to_pylist()


def _times(values: list) -> pa.Array:
    return pa.array([None if value is None else value * 1_000_000 for value in values], pa.timestamp("us", "UTC"))


def _expected(row: tuple, others: list) -> int | None:
    before = [(at, price) for item, at, price in others if item == row[0] and at < row[1]]
    return max(before)[1] if before else None


@given(rows=st.lists(ROW, max_size=8), others=st.lists(ROW, max_size=12), cut=st.integers(0, 10), order=st.randoms())
@settings(max_examples=40, deadline=None)
def test_what_comes_later_changes_nothing(rows: list, others: list, cut: int, order) -> None:
    found = prices(rows, others)
    assert found == [_expected(row, others) for row in rows]
    shuffled = order.sample(others, len(others))
    assert prices(rows, shuffled) == found
    early = [row for row in rows if row[1] <= cut]
    assert prices(early, [other for other in others if other[1] < cut]) == [
        value for value, row in zip(found, rows, strict=True) if row[1] <= cut
    ]


@pytest.mark.parametrize("order", [[7, 8, 6], [8, 7, 6], [6, 7, 8]])
def test_of_two_rows_at_one_time_the_greater_counts(order: list) -> None:
    assert prices([(1, 5)], [(1, 4, price) for price in order]) == [8]


def test_rows_without_key_or_time_join_nothing() -> None:
    assert prices([(None, 5), (1, 5)], [(None, 1, 7), (1, None, 8)]) == [None, None]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"table": "costs"},
            r"asof.price.table: expected one of tables \(impressions, members, prices\); found 'costs'",
        ),
        ({"column": "cost"}, r"asof.price.column: expected one of columns of prices"),
        ({"at": "settled_time"}, r"asof.price.at: expected time, when the item was shown"),
        (
            {"table": "impressions", "column": "clicked", "time": "time"},
            "asof.price.time: expected settled_time, since",
        ),
    ],
)
def test_joins_that_look_ahead_or_at_nothing(changes: dict, words: str) -> None:
    join = {**TABLES["impressions"]["asof"]["price"], **changes}
    with pytest.raises(SourceError, match=words):
        check(shop_spec(tables(impressions={"asof": {"price": join}})))


def test_what_no_one_calls_an_outcome_may_be_one() -> None:
    columns = {**TABLES["impressions"]["columns"], "stay": "stay"}
    join = {"table": "impressions", "column": "stay", "key": "member_id", "time": "time"}
    with pytest.raises(SourceError, match="expected settled_time, since stay may not be known before; found time"):
        check(shop_spec(tables(impressions={"columns": columns, "asof": {"price": join}})))
    join["time"] = "settled_time"
    check(shop_spec(tables(impressions={"columns": columns, "asof": {"price": join}})))
