"""A store that holds a row ahead of the clock: what heals it, and that nobody else's values move."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from feature_repo.commands import main
from feature_repo.materialise import materialize
from feature_repo.packed.keys import row_key, view_prefix
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH, pack
from feature_repo.store import open_store
from feature_repo.stores.online.bulk import rows_of
from feature_repo.stream.event_log import is_log
from feature_repo.stream.packed_rows import read_rows
from feature_repo.stream.push import plan_of_table, push_rows
from feature_repo.views.pushed import RECENT
from models import clock
from models.spec.counter_plans import counter_plans
from models.time_units import SECOND
from tests.feature_repo.redis_server import redis_server
from tests.feature_repo.restored import Restored
from tests.feature_repo.stream import product
from tests.feature_repo.stream.conftest import World, open_world

__all__ = ["redis_server"]

YEARS_60 = 60 * 365 * 86_400


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Restored]:
    address = request.getfixturevalue("redis_server") if request.param == "redis" else None
    folder = tmp_path_factory.mktemp("made") / "world"
    return open_world(folder, address), Restored(folder, address)


@pytest.fixture
def world(made: tuple[World, Restored]) -> World:
    world, restored = made
    restored.restore()
    return world._replace(store=open_store(world.config))


def _good() -> list[dict[str, Any]]:
    return [product.impression(n, 1 + n % 2, f"p{1 + n % 2}", n, n + 5, click=n % 2, percent=n) for n in range(6)]


def _bad(number: int = 90, member: int = 1) -> dict[str, Any]:
    return product.impression(number, member, "p1", 9, YEARS_60, click=1, percent=100)


def _push(world: World, rows: list[dict[str, Any]], patch: pytest.MonkeyPatch | None = None) -> None:
    """Push impressions; with a patch as an earlier release did, whatever the clock says."""
    if patch is None:
        push_rows(world.store, plan_of_table(world.store, "impressions"), rows)
        return
    with patch.context() as free:
        free.setenv(clock.VARIABLE, "99999d")
        push_rows(world.store, plan_of_table(world.store, "impressions"), rows)


def _held(world: World) -> dict[str, dict[bytes, tuple[int, Mapping[str, Any]]]]:
    """Every row that says something of counters and last activities: time and values, by view and key."""
    found: dict[str, Any] = {}
    for view in [RECENT, *counter_plans(world.spec)]:
        layout = layout_of(world.store.get_feature_view(view))
        pairs = [pair for pair in rows_of(world.store).dump(view_prefix("stream", view)) if not is_log(pair[0])]
        rows = read_rows(layout, [row for _, row in pairs])
        found[view] = {
            key: (row.time, row.values) for (key, _), row in zip(pairs, rows, strict=True) if row and row.time
        }
    return found


def _command(world: World, *command: str) -> int:
    return main([*command, "--state", str(world.state), "--config", str(world.config)])


def test_a_row_of_the_future_is_refused_and_changes_nothing(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _push(world, _good())
    before = _held(world)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (product.impression(91, 2, "p2", 20, 21), _bad())))
    assert _command(world, "push", "--table", "impressions", "--file", str(file)) == 1
    printed = capsys.readouterr().err
    assert "row 2, column settled_time: expected a time up to" in printed
    assert "found settled_time 2086-" in printed or "found settled_time 2085-" in printed
    assert _held(world) == before


def test_the_next_push_heals_what_an_earlier_release_wrote(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _push(world, [*_good(), {**_bad(), "settled_time": None, "click": None, "percent": None}])
    before = _held(world)
    _push(world, [_bad()], monkeypatch)
    assert _held(world) != before
    _push(world, [{**_good()[0]}])  # a duplicate, of the same member
    after = _held(world)
    assert after["overall"] == before["overall"]
    assert after["member_counts"] == before["member_counts"]
    assert after[RECENT] == before[RECENT]
    settled = {**_bad(), "settled_time": product.START + 20 * SECOND}
    _push(world, [settled])  # mended by its sender, it counts
    overall = _held(world)["overall"]
    assert [row[1]["overall_settled"] for row in overall.values()] == [7]


def test_repair_takes_it_out(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _push(world, [*_good(), {**_bad(), "settled_time": None, "click": None, "percent": None}])
    before = _held(world)
    _push(world, [_bad()], monkeypatch)
    assert _command(world, "repair") == 0
    assert "overall" in capsys.readouterr().out
    after = _held(world)
    for view in ("overall", "member_counts", "topic_counts", RECENT):
        assert after[view] == before[view]
    assert _command(world, "repair") == 0
    assert capsys.readouterr().out == "no row is ahead of the clock\n"


def test_materialise_heals(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the batch with the bad one in it, an earlier run's record until then, and the stream's on top."""
    product.write_tables(world.tables, [*_good(), _bad()], [])
    with monkeypatch.context() as free:
        free.setenv(clock.VARIABLE, "99999d")
        materialize(world.store, world.spec)
    _push(world, [_bad(92, 2)], monkeypatch)
    done = materialize(world.store, world.spec)
    assert done.ahead["overall"] == 1
    found = {key: values["overall_settled"] for key, (_, values) in _held(world)["overall"].items()}
    assert set(found.values()) == {6}
    assert _command(world, "repair") == 0  # a member's only click is the bad one
    ends = {view.name: view.most_recent_end_time for view in open_store(world.config).list_feature_views()}
    assert all(end is None or end.year < 2080 for end in ends.values())
    materialize(world.store, world.spec)
    assert all(moment <= clock.latest() for rows in _held(world).values() for moment, _ in rows.values())
    product.write_tables(world.tables, _good(), [])
    materialize(world.store, world.spec)
    healed = {view: rows for view, rows in _held(world).items() if view == "overall"}
    rows_of(world.store).delete(b"")
    materialize(world.store, world.spec)
    assert healed["overall"] == _held(world)["overall"]


def test_repair_removes_what_it_cannot_mend(world: World) -> None:
    """Rows that the stream did not write: a batch's, a member's profile."""
    rows, moment = rows_of(world.store), pa.array([2**60], pa.timestamp("us", tz="UTC"))
    for view, keys in (("overall", ()), ("member_profile", (1,))):
        layout = layout_of(world.store.get_feature_view(view))
        values = {
            name: pa.array([None], {"int64": pa.int64(), "string": pa.string()}[kind]) for name, kind in layout.fields
        }
        packed = pack(layout, pa.table({"at": moment, **values}), "at", None, FLAG_BATCH)
        rows.write_newest([(row_key("stream", view, keys), packed[0])])
    assert _command(world, "repair") == 0
    assert rows.read([row_key("stream", "overall", ()), row_key("stream", "member_profile", (1,))]) == [None, None]


def test_the_tolerance_is_the_border(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns() // 1_000
    plan = plan_of_table(world.store, "impressions")
    row = product.shown_only(product.impression(1, 1, "p1", 0, None))
    push_rows(world.store, plan, [{**row, "time": now + 9 * 60 * SECOND}])
    late = {**row, "impression_id": 2, "time": now + 11 * 60 * SECOND}
    with pytest.raises(ValueError, match="column time: expected a time up to"):
        push_rows(world.store, plan, [late])
    monkeypatch.setenv(clock.VARIABLE, "soon")
    with pytest.raises(ValueError, match="HELIOGRAPH_CLOCK_TOLERANCE: expected a length such as 60s"):
        push_rows(world.store, plan, [late])
    monkeypatch.setenv(clock.VARIABLE, "12m")
    push_rows(world.store, plan, [late])
