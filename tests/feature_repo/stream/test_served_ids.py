"""Ids of served impressions in pushed rows: accepted, validated, kept, and never a feature."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from feature_repo.commands import main
from feature_repo.stream.errors import StreamError
from feature_repo.stream.plan import EventPlan
from feature_repo.stream.push import plan_of_table, push_rows
from feature_repo.stream.read_file import read_file
from models.features import training_columns
from models.impression_ids import impression_ids, slate_of
from tests.feature_repo.stream import product
from tests.feature_repo.stream.conftest import World, open_world

IDS = impression_ids("5f0c9b1e-6f0f-4f5c-9d9e-1c1f6a4f8b11/0", 2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_world(tmp_path_factory.mktemp("world"), served="answer")


@pytest.fixture(scope="module")
def plan(world: World) -> EventPlan:
    return plan_of_table(world.store, "impressions")


def rows(*ids: str | None) -> list[dict[str, Any]]:
    """Settled impressions with these ids."""
    return [{**product.impression(n, 1, "p1", 10 + n, 20 + n), "answer": one} for n, one in enumerate(ids)]


def written(folder: Path, found: list[dict[str, Any]]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in found))
    return file


def test_the_command_takes_rows_with_and_without_an_id(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = {name: value for name, value in rows("", "", "", "")[3].items() if name != "answer"}
    file = written(tmp_path, [*rows(*IDS, None), without])
    where = ["--state", str(world.state), "--config", str(world.config)]
    assert main(["push", *where, "--table", "impressions", "--file", str(file)]) == 0
    assert "4 rows, 4 new, 0 duplicates, 0 late" in capsys.readouterr().out


def test_a_served_slate_is_found_again_in_the_rows(world: World, plan: EventPlan, tmp_path: Path) -> None:
    pushed: list[pd.DataFrame] = []

    class Store:
        def push(self, table: str, frame: pd.DataFrame) -> None:
            pushed.append(frame)

    push_rows(Store(), plan, read_file(plan, str(written(tmp_path, rows(IDS[1], None, IDS[0])))))
    (frame,) = pushed
    of_slate = frame[frame["answer"].map(slate_of, na_action="ignore") == slate_of(IDS[0])]
    assert of_slate["answer"].tolist() == [IDS[1], IDS[0]]
    fields = {field.name: str(field.dtype) for field in world.store.get_feature_view("events_impressions").schema}
    assert fields["answer"] == "String"


def test_it_is_text_or_null_and_no_feature(world: World, plan: EventPlan, tmp_path: Path) -> None:
    assert plan.columns["answer"] == "text"
    assert "answer" not in plan.required
    assert "answer" not in {feature.name for feature in training_columns(world.spec)}
    assert [row["answer"] for row in read_file(plan, str(written(tmp_path, rows(None))))] == [None]
    for value, message in ((7, "column answer: expected text; found 7"), ("a ", "text without spaces at its ends")):
        with pytest.raises(StreamError, match=message):
            read_file(plan, str(written(tmp_path, [{**rows(None)[0], "answer": value}])))


def test_a_table_without_ids_takes_none(tmp_path: Path) -> None:
    plain = open_world(tmp_path)
    with pytest.raises(StreamError, match=r"expected columns of the table impressions .* found 'answer'"):
        read_file(plan_of_table(plain.store, "impressions"), str(written(tmp_path, rows(IDS[0]))))
