import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, read_plan
from feature_repo.stream.read_file import _known_columns, read_file
from feature_repo.stream.validator import validated
from feature_repo.stream.values import value_of
from feature_repo.views.errors import NotAppliedError
from tests.feature_repo.stream import product


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> EventPlan:
    views = product.views_of(product.spec_of(), tmp_path_factory.mktemp("tables"))
    plan = read_plan(product.plan_text(views, "impressions"))
    return replace(plan, known=(*plan.known, "position"))  # a column of the table that no counter reads


def _good() -> dict[str, Any]:
    return {**product.impression(1, 1, "p1", 10, 20, click=1), "time": "2026-01-06T00:00:10Z", "position": 3}


def test_json_lines_json_and_csv_say_the_same(plan: EventPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [_good(), product.shown_only(_good())]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    (tmp_path / "rows.jsonl").write_text(lines)
    cells = [",".join(rows[0])] + [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
    (tmp_path / "rows.csv").write_text("\n".join(cells) + "\n")
    found = read_file(plan, str(tmp_path / "rows.json"))
    row = product.impression(1, 1, "p1", 10, 20, click=1)
    assert found == [row, product.shown_only(row)]
    assert read_file(plan, str(tmp_path / "rows.jsonl")) == found
    assert read_file(plan, str(tmp_path / "rows.csv")) == found
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert read_file(plan, "-") == found


@pytest.mark.parametrize("key", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_key_of_64_bits_is_read_from_numbers_and_from_text(plan: EventPlan, tmp_path: Path, key: int) -> None:
    number, text = ({**_good(), "member": one} for one in (key, str(key)))
    (tmp_path / "rows.json").write_text(json.dumps([number, text]))
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(number)}\n{json.dumps(text)}\n")
    (tmp_path / "rows.csv").write_text("\n".join(",".join(map(str, one)) for one in (text, text.values())))
    for name, count in (("rows.json", 2), ("rows.jsonl", 2), ("rows.csv", 1)):
        assert [row["member"] for row in read_file(plan, str(tmp_path / name))] == [key] * count


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"member": None}, "row 2, column member: expected a whole number of 64 bits; found null"),
        ({"member": "01"}, "row 2, column member: expected a whole number of 64 bits; found '01'"),
        ({"member": "9223372036854775808"}, "row 2, column member: expected a whole number of 64 bits; found '92233"),
        ({"member": 4.6e18}, r"row 2, column member: expected a whole number of 64 bits; found 4.6e\+18"),
        ({"member": 1.5}, "row 2, column member: expected a whole number of 64 bits; found 1.5"),
        ({"post_id": 7}, "row 2, column post_id: expected text; found 7"),
        ({"member": True}, "row 2, column member: expected a whole number of 64 bits; found True"),
        ({"member": float("inf")}, "row 2, column member: expected a whole number of 64 bits; found inf"),
        ({"post_id": "p1 "}, "column post_id: expected text without spaces at its ends; found .* 'p1 ', .* row 2"),
        ({"post_id": ""}, "column post_id: expected text without spaces at its ends; found .* '', .* row 2"),
        ({"surface": "sms"}, "column surface: expected one of feed, email; found 1 rows such as 'sms', .* row 2"),
        ({"surface": " email"}, "column surface: expected one of feed, email; found .* ' email', .* row 2"),
        ({"settled_time": product.START}, "expected settled_time not before time; found 1 rows .* row 2"),
        ({"time": "soon"}, "row 2, column time: expected a time in ISO-8601 with a zone, .* found 'soon'"),
        ({"time": "2085-01-01T00:00:00Z"}, "row 2, column time: expected a time up to .* found time 2085-01-01"),
        ({"settled_time": "2085-01-01T00:00:00Z"}, "row 2, column settled_time: expected a time up to .* found .*2085"),
        ({"time": "9999-12-31T00:00:00Z"}, "row 2, column time: expected a time up to"),
        ({"time": 1_767_657_600_000}, "row 2, column time: .* found time 1970-01-21.* is before 2000-01-01"),
        ({"time": 1.5}, "row 2, column time: .* found 1.5"),
        ({"time": 10**18}, "row 2, column time: .* found time 1000000000000000000 microseconds UTC is ahead"),
        ({"time": 2**63}, "row 2, column time: expected a time in ISO-8601"),
        ({"click": 2}, "column click: expected one of 0, 1; found 1 rows such as 2, the first at row 2"),
        ({"click": None}, "column click: expected a value in every row; found 1 nulls, the first at row 2"),
        ({"percent": 101}, "column percent: expected numbers from 0 to 100; found 1 rows such as 101, .* row 2"),
        ({"percent": 1.5}, "row 2, column percent: expected a whole number"),
        ({"positon": 3}, "rows.json, row 2: expected columns of the table impressions .* found 'positon'"),
    ],
)
def test_a_bad_value_is_named(plan: EventPlan, change: dict[str, Any], message: str) -> None:
    rows = [_good(), {**_good(), **change}]
    with pytest.raises(StreamError, match=message):
        validated(plan, _known_columns(plan, rows, "rows.json"), "rows.json")


def _csv(**cells: str) -> str:
    """A header and one good row, with other cells."""
    row = {name: "" if value is None else str(value) for name, value in _good().items()} | cells
    return ",".join(row) + "\n" + ",".join(row.values()) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_csv().replace("\n", ",1\n").replace(",1\n", "\n", 1), "row 1: expected 10 cells, .* found 11"),
        (_csv().rstrip("\n").rpartition(",")[0], "row 1: expected 10 cells, as in the header; found 9"),
        (_csv() + "7,1\n", "row 2: expected 10 cells, as in the header; found 2"),
        (_csv().replace(",", ";"), "header: expected columns of the table impressions .* found 'impression_id;member"),
        (_csv().replace(",", "\t"), "header: expected columns of the table impressions"),
        (_csv().replace("device", "", 1), "header: expected columns of the table .* found ''"),
        (_csv().replace("device", " device", 1), "header: expected columns of the table .* found ' device'"),
        (_csv().replace("device", "click", 1), "header: expected each column once; found 'click' again"),
        (_csv(device='"phone'), "line 2: expected CSV; found unexpected end of data"),
        (_csv(device='"phone"x'), "expected CSV; found"),
        (_csv(surface="sms"), "column surface: expected one of feed, email; found 1 rows such as 'sms'"),
        (_csv(surface=" email"), "column surface: expected one of feed, email; found 1 rows such as ' email'"),
        (_csv(surface='"email\n"'), "column surface: expected one of feed, email; found 1 rows such as 'email.n'"),
        (
            _csv(settled_time=str(product.START)),
            "expected settled_time not before time; found 1 rows where that is not so",
        ),
        (_csv(click="2"), "column click: expected one of 0, 1; found 1 rows such as 2, the first at row 1"),
        (_csv(click="yes"), "row 1, column click: expected a whole number of 64 bits; found 'yes'"),
        (_csv(click="1e0"), "row 1, column click: expected a whole number of 64 bits; found '1e0'"),
        (_csv(click="NaN"), "row 1, column click: expected a whole number of 64 bits; found 'NaN'"),
        (_csv(click=""), "column click: expected a value in every row; found 1 nulls, the first at row 1"),
        (_csv(member="1e3"), "row 1, column member: expected a whole number of 64 bits; found '1e3'"),
        (_csv(member=" 1"), "row 1, column member: expected a whole number of 64 bits; found ' 1'"),
        (_csv(member="1_0"), "row 1, column member: expected a whole number of 64 bits; found '1_0'"),
        (_csv(member="true"), "row 1, column member: expected a whole number of 64 bits; found True"),
        (_csv(member=""), "row 1, column member: expected a whole number of 64 bits; found null"),
        (_csv(post_id="p1 "), "column post_id: expected text without spaces at its ends; found 1 rows such as 'p1 '"),
        (_csv(time="nan"), "row 1, column time: expected a time in ISO-8601"),
        ("", "expected a header of the table's columns; found none"),
    ],
)
def test_a_bad_csv_is_named(plan: EventPlan, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(StreamError, match=message):
        read_file(plan, str(tmp_path / "rows.csv"))


def test_a_byte_order_mark_is_no_part_of_a_name(plan: EventPlan, tmp_path: Path) -> None:
    lines = json.dumps(_good()) + "\n"
    for name, content in (("rows.csv", _csv()), ("rows.jsonl", lines), ("rows.json", f"[{lines}]")):
        (tmp_path / name).write_text(content)
        plain = read_file(plan, str(tmp_path / name))
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert read_file(plan, str(tmp_path / name)) == plain
    (tmp_path / "rows.csv").write_text(_csv(), encoding="utf-16")
    with pytest.raises(StreamError, match="expected text in UTF-8; found invalid start byte at byte 0"):
        read_file(plan, str(tmp_path / "rows.csv"))


def test_a_csv_may_lack_columns_that_can_be_null(plan: EventPlan, tmp_path: Path) -> None:
    cells = {name: str(value) for name, value in product.shown_only(_good()).items() if value is not None}
    del cells["position"]
    (tmp_path / "rows.csv").write_text(",".join(cells) + "\n" + ",".join(cells.values()) + "\n")
    row = product.shown_only(product.impression(1, 1, "p1", 10, None))
    assert read_file(plan, str(tmp_path / "rows.csv")) == [row]


def test_truth_is_one(plan: EventPlan, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(_csv(click="True"))
    (row,) = read_file(plan, str(tmp_path / "rows.csv"))
    assert row["click"] == 1


def test_a_shown_impression_has_no_outcomes_yet(plan: EventPlan, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(_csv(settled_time="", click="", percent=""))
    assert read_file(plan, str(tmp_path / "rows.csv"))[0]["click"] is None
    with pytest.raises(StreamError, match="column click: expected one of 0, 1; found 1 rows such as 7"):
        validated(plan, [{**product.shown_only(_good()), "click": 7}], "rows.json")


def test_definitions_of_an_earlier_release_are_distinguished(plan: EventPlan) -> None:
    with pytest.raises(NotAppliedError, match=r"found those of an earlier release\. Apply the tables again"):
        validated(replace(plan, spec=""), [_good()], "rows.json")


@pytest.mark.parametrize("value", [1e39, -1e39, 2**24 + 1, 1_700_000_001.0, float("inf"), 10**400])
def test_a_number_that_its_column_would_change_is_refused(value: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        value_of("float", value)
    with pytest.raises(ValueError, match="inf"):
        value_of("double", float("inf"))
    assert (value_of("float", 2**25), value_of("float", 0.1), value_of("float", None)) == (
        2.0**25,
        float(np.float32(0.1)),
        None,
    )


def test_a_column_that_is_not_there_is_named(plan: EventPlan) -> None:
    row = _good()
    del row["surface"]
    with pytest.raises(StreamError, match="row 1, column surface: expected text; found no such column"):
        validated(plan, [row], "rows.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.xml", "", "expected a name that ends in .json, .jsonl, .csv; found .xml"),
        ("rows.json", "{}", "expected a list of rows; found dict"),
        ("rows.json", "[", "expected JSON"),
        ("rows.json", "[" * 200_000, "expected JSON"),
        ("rows.jsonl", "[" * 200_000, "row 1: expected one JSON object per line"),
        ("rows.json", "[1]", "row 1: expected an object of columns; found 1"),
        ("rows.jsonl", "{}\n{", "row 1, column "),
        ("rows.jsonl", '{"click": NaN}', "row 1: expected one JSON object per line; found NaN, which is not JSON"),
        ("rows.json", '[{"click": 1, "click": 0}]', "expected JSON; found the column 'click' twice"),
        ("rows.csv", "member\nx\n", "row 1, column member: expected a whole number of 64 bits; found 'x'"),
    ],
)
def test_a_bad_file_is_named(plan: EventPlan, tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(StreamError, match=message):
        read_file(plan, str(tmp_path / name))


def test_no_file_is_an_error_and_no_rows_are_none(plan: EventPlan, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="found no such file"):
        read_file(plan, str(tmp_path / "rows.json"))
    (tmp_path / "rows.json").write_text("[]")
    assert read_file(plan, str(tmp_path / "rows.json")) == []
