import io
import json
from pathlib import Path
from typing import Any

import pytest

from feature_repo.commands import main
from feature_repo.views.pushed import EDGES, RECENT
from tests.feature_repo.stream import product
from tests.feature_repo.stream.conftest import World, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_world(tmp_path_factory.mktemp("world"))


def _push(world: World, table: str, file: Path | str) -> int:
    where = ["--state", str(world.state), "--config", str(world.config)]
    return main(["push", *where, "--table", table, "--file", str(file)])


def _online(world: World, member: int) -> dict[str, Any]:
    features = [f"{RECENT}:{EDGES}", "member_counts:member_counts_shown", "member_counts:member_counts_settled"]
    found = world.store.get_online_features(features=features, entity_rows=[{"member_id": member}]).to_dict()
    return {name: values[0] for name, values in found.items()}


def test_a_file_is_pushed_and_what_happened_is_said(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = product.impression(1, 1, "p1", 10, 20, click=1)
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([product.shown_only(row), row, row]))
    assert _push(world, "impressions", file) == 0
    said = capsys.readouterr().out
    assert said.startswith("pushed impressions: 3 rows, 2 new, 1 duplicates, 0 late. To see one member: feast ")
    assert "-e member_id=1" in said
    assert _online(world, 1) == {
        "member_id": 1, EDGES: ["clicked"], "member_counts_shown": 1, "member_counts_settled": 1,
    }  # fmt: skip
    assert _push(world, "impressions", file) == 0
    assert "0 new, 3 duplicates" in capsys.readouterr().out


def test_lines_from_standard_input(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(product.like(2, "p1", 5)) + "\n"))
    assert _push(world, "likes", "-") == 0
    assert _online(world, 2)[EDGES] == ["liked"]


def test_a_bad_row_writes_nothing(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    good = json.dumps(product.like(3, "p1", 5))
    file.write_text(f"{good}\n{good.replace('p1', '').replace('3', 'null', 1)}\n")
    assert _push(world, "likes", file) == 1
    expected = "row 2, column member_id: expected a whole number of 64 bits; found null"
    assert expected in capsys.readouterr().err
    assert _online(world, 3)[EDGES] is None


@pytest.mark.parametrize(
    ("state", "table", "message"),
    [
        (".", "clicks", "--table: expected one of impressions, likes; found 'clicks'"),
        ("nowhere", "likes", "`make demo`"),
    ],
)
def test_what_is_not_there_is_said(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, table: str, message: str
) -> None:
    file = tmp_path / "rows.json"
    file.write_text("[]")
    assert _push(world._replace(state=world.state / state), table, file) == 1
    assert message in capsys.readouterr().err


def test_no_rows_are_said_too(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    file.write_text("[]")
    assert _push(world, "likes", file) == 0
    assert capsys.readouterr().out == "pushed likes: 0 rows, 0 new, 0 duplicates, 0 late.\n"
