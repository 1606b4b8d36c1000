"""``push outcomes``: what is stored, what is refused, and that nothing is stored twice."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.commands import main
from feature_repo.outcomes.read_file import read_outcomes
from feature_repo.outcomes.row import OutcomeError
from feature_repo.stream.errors import StreamError
from models.clock import now
from models.outcome_parts import Outcome, address_of, parts
from tests.feature_repo.stream.conftest import World, open_world

TASKS = ("click", "like")
ROW: dict[str, Any] = {"impression": "a/0/0", "task": "click", "value": 1, "happened": "2026-01-01T00:00:00Z"}
HAPPENED = 1_767_225_600_000_000


def written(folder: Path, text: str, suffix: str = ".jsonl") -> str:
    file = folder / f"outcomes{suffix}"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return open_world(tmp_path)


def stored(world: World) -> list[dict[str, Any]]:
    found = parts(address_of(str(world.state), world.spec.name))
    return [row for part in found for row in pq.read_table(part, partitioning=None).to_pylist()]


def test_the_outcomes_of_a_file_are_stored_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    task = next(iter(world.spec.tasks))
    rows = [{**ROW, "task": task, "impression": f"a/0/{rank}", "value": rank % 2} for rank in range(3)]
    file = written(world.state, "\n".join(map(json.dumps, rows)))
    command = ["push", "outcomes", file, "--state", str(world.state), "--config", str(world.config)]
    before = now()
    assert main(command) == 0
    assert main(command) == 0
    assert capsys.readouterr().out == "3 outcomes, 3 stored\n3 outcomes, 0 stored: the same were pushed before\n"
    found = stored(world)
    assert [(one["impression"], one["task"], one["value"]) for one in found] == [
        (f"a/0/{rank}", task, rank % 2) for rank in range(3)
    ]
    assert {one["happened"] for one in found} == {HAPPENED}
    assert all(before <= one["received"] <= now() for one in found)


@pytest.mark.parametrize(
    "arguments",
    [[], ["outcomes"], ["others", "file"], ["outcomes", "file", "--table", "impressions"], ["--table", "x"]],
)
def test_half_a_command_says_what_is_expected(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", *arguments]) == 1
    assert capsys.readouterr().err.startswith("error: push: expected ")


def test_one_bad_row_is_an_error_and_nothing_is_stored(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(world.state, json.dumps(ROW) + "\n" + json.dumps({**ROW, "value": 2}))
    assert main(["push", "outcomes", file, "--state", str(world.state), "--config", str(world.config)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert stored(world) == []


def test_every_kind_of_file_gives_the_same(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "happened": HAPPENED + 1, "value": 0, "received": HAPPENED + 2}]
    expected = [("a/0/0", "click", 1, HAPPENED), ("a/0/0", "click", 0, HAPPENED + 1)]
    table = {name: [HAPPENED, HAPPENED + 1] if name == "happened" else [row[name] for row in rows] for name in ROW}
    pq.write_table(pa.table(table), tmp_path / "outcomes.parquet")
    text = "impression,task,value,happened,received\n" + "".join(
        ",".join(str(row.get(name, "")) for name in Outcome._fields) + "\n" for row in rows
    )
    files = [
        written(tmp_path, "\n\n".join(map(json.dumps, rows))),
        written(tmp_path, json.dumps(rows), ".json"),
        written(tmp_path, text, ".csv"),
        str(tmp_path / "outcomes.parquet"),
    ]
    for file in files:
        assert [one[:4] for one in read_outcomes(TASKS, file)] == expected, file
    assert read_outcomes(TASKS, files[0])[1].received == HAPPENED + 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"task": "purchase"}, r"row 1, column task: expected a task of the spec \(click, like\); found 'purchase'"),
        ({"value": 2}, "column value: expected 0 or 1; found 2"),
        ({"value": True}, "column value: expected 0 or 1; found True"),
        ({"value": None}, "column value: expected 0 or 1; found None"),
        ({"happened": "yesterday"}, "column happened: expected a time in ISO-8601.*found 'yesterday'"),
        ({"happened": 1.5}, "column happened: expected a time in ISO-8601"),
        ({"happened": -1}, "column happened: expected a time in ISO-8601"),
        (
            {"happened": HAPPENED // 10**6},
            "column happened: expected a time from 2000 on, a number in microseconds UTC",
        ),
        ({"received": HAPPENED // 10**3}, "column received: expected a time from 2000 on"),
        ({"happened": "1999-12-31T23:59:59Z"}, "column happened: expected a time from 2000 on"),
        ({"happened": "2033-01-01T00:00:00Z"}, r"column happened: expected a time up to .* found 2033"),
        ({"received": "2033-01-01T00:00:00Z"}, r"column received: expected a time up to"),
        ({"impression": ""}, "column impression: expected the id of a served impression"),
        ({"impression": "\ud800"}, "column impression: expected the id"),
        ({"impression": 7}, "column impression: expected the id of a served impression.*found 7"),
        ({"other": 7}, "row 1: expected the columns impression, task, value, happened, received; found 'other'"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(OutcomeError, match=message):
        read_outcomes(TASKS, written(tmp_path, json.dumps({**ROW, **changed})))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for text, suffix, error in (
        ("[", ".json", StreamError),
        ("{}", ".json", StreamError),
        ('[{"impression": "a", "impression": "b"}]', ".json", StreamError),
        ("impression,impression\na,b", ".csv", StreamError),
        ("[1]", ".json", OutcomeError),
        ("{", ".jsonl", StreamError),
        ("impression,task\na", ".csv", OutcomeError),
        ("", ".txt", OutcomeError),
        ("PAR1", ".parquet", OutcomeError),
    ):
        with pytest.raises(error):
            read_outcomes(TASKS, written(tmp_path, text, suffix))
    with pytest.raises(OutcomeError, match="found no such file"):
        read_outcomes(TASKS, str(tmp_path / "missing.csv"))
    for suffix, text in ((".csv", ""), (".jsonl", ""), (".json", "[]")):
        assert read_outcomes(TASKS, written(tmp_path, text, suffix)) == []


def test_a_time_without_a_zone_is_refused_in_every_kind_of_file(tmp_path: Path) -> None:
    naive = datetime(2026, 1, 1, 9)
    row = {**ROW, "happened": naive.isoformat()}
    pq.write_table(
        pa.table({name: [naive if name == "happened" else row[name]] for name in row}), tmp_path / "a.parquet"
    )
    files = [
        written(tmp_path, json.dumps(row)),
        written(tmp_path, json.dumps([row]), ".json"),
        written(tmp_path, f"{','.join(row)}\n{','.join(map(str, row.values()))}\n", ".csv"),
        str(tmp_path / "a.parquet"),
    ]
    for file in files:
        with pytest.raises(OutcomeError, match=r"ISO-8601 with a zone, .*; found '?2026-01-01T09:00:00"):
            read_outcomes(TASKS, file)
