"""Times in every unit, with and without a zone."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.sources.declared.kinds import Kind
from feature_repo.sources.declared.rows import Declared, Raw, canonical_rows
from feature_repo.sources.errors import SourceError
from models.spec.source import SourceTable, SqlType, Times
from tests.feature_repo.sources.declared.shop import ingested, shop_folder, shop_spec, tables

MOMENT = pd.Timestamp("2026-05-01 08:00:00.25", tz="UTC")


def converted(values: pa.Array, kind: Kind, times: Times | None = None, texts: bool = False) -> list[Any]:
    """The values as a column of that kind."""
    table = SourceTable(files="a.csv", columns={"out": "a"}, times={} if times is None else {"out": times})
    raw = Raw(pa.table({"a": values}), "a.csv", texts)
    return canonical_rows(raw, Declared("one", table, {"out": kind}, "UTC"))["out"].to_pylist()


@pytest.mark.parametrize(
    ("value", "times"),
    [
        (1777622400250, {"unit": "ms"}),
        ("1777622400250", {"unit": "ms"}),
        (1777622400250000, {"unit": "us"}),
        (1777622400250000000, {"unit": "ns"}),
        (1777622400.25, {"unit": "s"}),
        ("1777622400.25", {"unit": "s"}),
        ("2026-05-01 10:00:00.25", {"timezone": "Europe/Berlin"}),
        ("2026-05-01T10:00:00.25+02:00", {}),
        ("2026-05-01T08:00:00.25Z", {"timezone": "Asia/Shanghai"}),  # a zone of its own
        ("2026-05-01 10:00:00.25+02:00 ", {"timezone": "Asia/Shanghai"}),
        (" 2026-05-01 10:00:00.25 ", {"timezone": "Europe/Berlin"}),
        ("01.05.2026 10:00:00.25", {"timezone": "Europe/Berlin", "format": "%d.%m.%Y %H:%M:%S.%g"}),
        (MOMENT.to_pydatetime(), {}),
        (MOMENT.tz_localize(None).to_pydatetime(), {"timezone": "UTC"}),
        (pa.scalar(MOMENT.value, pa.timestamp("ns", "Asia/Shanghai")), {}),  # as pandas writes them
        (pa.scalar(MOMENT.value, pa.timestamp("ns")), {"timezone": "UTC"}),
        (pa.scalar(MOMENT.value // 10**6, pa.timestamp("ms", "UTC")), {}),
        (pa.scalar(MOMENT.value // 10**6, pa.timestamp("ms")), {"timezone": "UTC"}),
    ],
)
def test_one_moment(value: Any, times: dict) -> None:
    values = pa.array([value, None], value.type if isinstance(value, pa.Scalar) else None)
    assert converted(values, "time", Times(**times)) == [MOMENT.to_pydatetime(), None]


@pytest.mark.parametrize(
    ("value", "times", "words"),
    [
        (1777622400250, {}, "expected `unit` under times"),
        ("2026-05-01 10:00", {}, "a time in ISO 8601 with a zone"),
        (MOMENT.tz_localize(None).to_pydatetime(), {}, "`timezone` under times"),
        (MOMENT.to_pydatetime(), {"unit": "ms"}, "no `unit` under times"),
        ("yesterday", {"timezone": "UTC"}, "a time in ISO 8601, .*; found 1 row such as 'yesterday'"),
        ("2026-02-30 00:00", {"timezone": "UTC"}, "a time in ISO 8601"),
        ("1_000", {"unit": "ms"}, "a number of ms since 1970"),
        ("2026-05-01 10:00:00 America/New_York", {"timezone": "UTC"}, "with no zone or one such as"),
        ("2026-05-01 10:00:00 EST", {"timezone": "UTC"}, "with no zone or one such as"),
        ("2026-05-01 10:00:00+02:00:00", {"timezone": "UTC"}, "with no zone or one such as"),
        (float("nan"), {"unit": "s"}, "a number of s since 1970"),
    ],
)
def test_a_time_that_nobody_knows(value: Any, times: dict, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        converted(pa.array([value]), "time", Times(**times))


@pytest.mark.parametrize("texts", [True, False])
@pytest.mark.parametrize(
    ("wanted", "value", "good"),
    [
        ("TIMESTAMP", "2026-05-01T10:00:00+00:00", "2026-05-01T10:00:00"),
        ("TIMESTAMPTZ", "2026-05-01 10:00:00", "2026-05-01 10:00:00+02"),
    ],
)
def test_a_type_neither_drops_a_zone_nor_makes_one_up(wanted: SqlType, value: str, good: str, texts: bool) -> None:
    times = Times(timezone="Europe/Berlin") if wanted == "TIMESTAMP" else Times()
    table = SourceTable(files="a", columns={"out": "a"}, types={"a": wanted}, times={"out": times})
    declared = Declared("one", table, {"out": "time"}, "Asia/Shanghai")
    (found,) = canonical_rows(Raw(pa.table({"a": [good]}), "a", texts), declared)["out"].to_pylist()
    assert found == pd.Timestamp("2026-05-01 08:00", tz="UTC").to_pydatetime()
    with pytest.raises(SourceError, match=f"types.: expected a {wanted}, so a time with"):
        canonical_rows(Raw(pa.table({"a": [value]}), "a", texts), declared)
    stamps = pa.array([0], pa.timestamp("us", "UTC" if wanted == "TIMESTAMP" else None))
    with pytest.raises(SourceError, match=f"expected no type {wanted}, since the values have"):
        canonical_rows(Raw(pa.table({"a": stamps}), "a", False), declared)


def test_a_field_of_a_column_is_not_another_column() -> None:
    table = SourceTable(files="a", columns={"field": "raw.event", "event": "event"})
    rows = pa.table({"raw": [{"event": 1}], "event": [2]})
    assert canonical_rows(Raw(rows, "a", False), Declared("one", table, {}, "UTC"))["field"].to_pylist() == [1]


def test_one_time_far_away_is_quarantined(tmp_path: Path) -> None:
    far = str(2**63 - 1)
    raw = shop_folder(tmp_path / "raw", prices=f"product,at,price\nb,{far},1\nb,1767250000000,4.5\n")
    shown = ingested(shop_spec(), raw, tmp_path, "impressions")
    assert shown["price"].dropna().tolist() == [4.5, 4.5]
    members = "user,since,age,job\n1,2025-12-01,30,cook\n2,9999-12-31,1,x\n"
    found = ingested(shop_spec(), shop_folder(tmp_path / "raw", members=members), tmp_path, "members")
    assert found["member_id"].tolist() == [1]


def test_a_time_that_daylight_saving_repeats_is_the_second_one() -> None:
    (found,) = converted(pa.array(["2026-10-25 02:30:00"]), "time", Times(timezone="Europe/Berlin"))
    assert found == pd.Timestamp("2026-10-25 01:30", tz="UTC").to_pydatetime()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["007", "1.0", " x"], "text", ["007", "1.0", " x"]),
        ([1.0, 2.5, None], "text", ["1", "2.5", None]),
        ([float("nan"), float("inf")], "text", ["nan", "inf"]),
        ([True, None], "number", [1, None]),
        (["true", "False", "1", "0", None], "label", [1, 0, 1, 0, None]),
        (["0.5", None], "label", [0.5, None]),  # left for validation to refuse
        (["[1, 2.5]", "{1,2.5}", None], "vector", [[1, 2.5], [1, 2.5], None]),
        ([[1.0, 2.0]], "vector", [[1, 2]]),
        (["9223372036854775807", "5.0", None], "whole", [2**63 - 1, 5, None]),
        ([5.0, None], "whole", [5, None]),
        ([b"a"], "text", ["a"]),
    ],
)
def test_values(values: list, kind: Kind, expected: list) -> None:
    assert converted(pa.array(values), kind) == expected


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ([2.0**53], "whole", "a whole number below 2\\^53"),
        ([2.0**53], "text", "a number below 2\\^53, from which on DOUBLE loses digits"),
        ([2**63], "whole", "a whole number of 64 bits"),
        ([[1]], "text", "expected values that can be text; found BIGINT"),
        (["1,5"], "number", "expected a number; found 1 row such as '1,5', the first is row 1"),
        ([["a"]], "vector", "expected values that can be lists of numbers"),
    ],
)
def test_values_that_would_change(values: list, kind: Kind, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        converted(pa.array(values, pa.uint64()) if values == [2**63] else pa.array(values), kind)


def test_a_clock_in_the_spec_is_no_zone() -> None:
    with pytest.raises(ValueError, match="expected an IANA time zone"):
        Times(timezone="Berlin")
    with pytest.raises(ValueError, match="expected one of columns"):
        SourceTable(files="a.csv", columns={"a": "a"}, times={"b": Times(unit="s")})
    assert tables()["prices"]["times"] == {"valid_from": {"unit": "ms"}}
