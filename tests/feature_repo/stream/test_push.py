import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from feature_repo.commands import main
from feature_repo.stream.errors import StreamError
from feature_repo.stream.outcome import Outcome, collect
from feature_repo.stream.plan import TAG, EventPlan, Kind
from feature_repo.stream.push import plan_of_table, push_file, push_rows
from feature_repo.views.errors import NotAppliedError
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


def test_a_file_is_pushed_and_the_result_is_printed(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = product.impression(1, 1, "p1", 10, 20, click=1)
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([product.shown_only(row), row, row]))
    assert _push(world, "impressions", file) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("pushed impressions: 3 rows, 2 new, 1 duplicates, 0 late. To see one member: feast ")
    assert "-e member_id=1" in printed
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
def test_what_is_not_there_is_reported(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, table: str, message: str
) -> None:
    file = tmp_path / "rows.json"
    file.write_text("[]")
    assert _push(world._replace(state=world.state / state), table, file) == 1
    assert message in capsys.readouterr().err


def test_no_rows_are_reported_too(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    file.write_text("[]")
    assert _push(world, "likes", file) == 0
    assert capsys.readouterr().out == "pushed likes: 0 rows, 0 new, 0 duplicates, 0 late.\n"


COLUMNS: dict[str, Kind] = {"member": "int", "other": "int", "time": "time", "later": "time", "name": "text"}
PLAN = EventPlan("t", "time", "member_id", "member", COLUMNS, ("member",), 3, (), (), None, {})
ROW = {"member": 7, "other": 1, "time": product.START, "later": None, "name": "a"}


class Recorder:
    """A store that keeps the frames, in place of Feast's."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.frames: list[Any] = []
        self.outcome = outcome or Outcome()

    def push(self, table: str, frame: Any) -> None:
        assert table == "t"
        self.frames.append(frame)
        collect(self.outcome)

    def list_feature_views(self) -> list[Any]:
        tags: list[dict[str, str]] = [{TAG: PLAN.to_json()}, {}]
        return [SimpleNamespace(tags=tag, stream_source=SimpleNamespace(name="t")) for tag in tags]


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ([1, None], [[1, None]]),
        ([2**53 - 1, None, 1 - 2**53], [[2**53 - 1, None, 1 - 2**53]]),
        ([2**53, 5, -(2**60)], [[2**53, 5, -(2**60)]]),
        ([2**53, None, 0], [[2**53, 0], [None]]),
        ([None, -(2**53), None], [[None, None], [-(2**53)]]),
        ([], []),
    ],
)
def test_large_numbers_never_share_a_frame_with_nulls(values: list[int | None], parts: list[list[int | None]]) -> None:
    store = Recorder(Outcome(rows=1))
    outcome = push_rows(store, PLAN, [{**ROW, "other": value} for value in values])
    assert [frame["other"].tolist() for frame in store.frames] == parts
    assert outcome == Outcome(rows=len(parts))


def test_the_event_time_is_a_time_and_others_are_text() -> None:
    store = Recorder()
    push_rows(store, PLAN, [ROW, {**ROW, "later": product.START + 1, "name": None}])
    (frame,) = store.frames
    assert list(frame.columns) == list(COLUMNS)
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert frame["time"].astype("int64").tolist() == [product.START] * 2
    assert frame["later"].tolist() == [None, "2026-01-06T00:00:00.000001+00:00"]
    assert (frame["name"].tolist(), frame["member"].tolist()) == (["a", None], [7, 7])


def test_all_that_can_become_of_rows_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**ROW, "member": member} for member in (7, 8, 9)]
    monkeypatch.setattr("feature_repo.stream.push.read_file", lambda plan, file: rows if file == "rows.json" else [])
    assert push_file(Recorder(Outcome(9, 4, 2, 1, 2)), "t", "rows.json") == (
        "pushed t: 9 rows, 4 new, 2 duplicates, 1 late, 2 that no counter or edge keeps (materialize adds late rows "
        "once the tables have them). To see one member: feast get-online-features -f recent_activities:recent_times -e "
        "member_id=9, with the same configuration."
    )


def test_only_tables_with_a_plan_can_be_pushed() -> None:
    assert plan_of_table(Recorder(), "t") == PLAN
    with pytest.raises(StreamError, match=r"^--table: expected one of t; found 'u'$"):
        plan_of_table(Recorder(), "u")
    empty = SimpleNamespace(list_feature_views=list)
    with pytest.raises(NotAppliedError, match=r"event tables; found none\. Apply the tables first"):
        plan_of_table(empty, "t")
