import io
import json
from pathlib import Path
from typing import Any

import pytest

from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan, read_plan
from feature_repo.stream.rows import checked, read_file
from tests.feature_repo.stream import product


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> EventPlan:
    views = product.views_of(product.spec_of(), tmp_path_factory.mktemp("tables"))
    return read_plan(product.plan_text(views, "impressions"))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"member": None}, "row 2, column member: expected a whole number of 64 bits; found null"),
        ({"member": "1"}, "row 2, column member: expected a whole number of 64 bits; found '1'"),
        ({"member": 1.5}, "row 2, column member: expected a whole number of 64 bits; found 1.5"),
        ({"post_id": 7}, "row 2, column post_id: expected text; found 7"),
        ({"time": "soon"}, "row 2, column time: expected a time from 2000 to 2199 in ISO-8601, .* found 'soon'"),
        ({"time": "9999-12-31T00:00:00Z"}, "row 2, column time: expected a time from 2000 to 2199"),
        ({"time": 1_767_657_600_000}, "row 2, column time: expected a time from 2000 to 2199"),
        ({"time": 1.5}, "row 2, column time: .* found 1.5"),
        ({"time": 10**18}, "row 2, column time: .* found 1000000000000000000"),
        ({"click": 2}, "row 2: .*click: expected a whole number from 0 to 1; found 2"),
        ({"click": None}, "row 2: .*click: expected a whole number from 0 to 1; found None"),
    ],
)
def test_a_bad_value_is_named(plan: EventPlan, change: dict[str, Any], message: str) -> None:
    with pytest.raises(StreamError, match=message):
        checked(plan, [_good(), {**_good(), **change}], "rows.json")


def test_a_column_that_is_not_there_is_named(plan: EventPlan) -> None:
    row = _good()
    del row["surface"]
    with pytest.raises(StreamError, match="row 1, column surface: expected text; found no such column"):
        checked(plan, [row], "rows.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.xml", "", "expected a name that ends in .json, .jsonl, .csv; found .xml"),
        ("rows.json", "{}", "expected a list of rows; found dict"),
        ("rows.json", "[", "expected JSON"),
        ("rows.json", "[1]", "row 1: expected an object of columns; found 1"),
        ("rows.jsonl", "{}\n{", "row 1, column "),
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
