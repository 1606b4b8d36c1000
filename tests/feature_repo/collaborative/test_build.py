"""Tables of snapshots: which cuts and members they hold, what an event's time means, what is kept."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.collaborative import build, snapshots
from feature_repo.collaborative.events import Events
from feature_repo.forgotten import Forgotten, digest, without_forgotten
from models.collaborative.plan import collaborative_table, item_columns, member_columns
from models.spec.collaborative_plans import collaborative_plans
from models.time_units import DAY, HOUR, microseconds
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import END, block, spec_of

SPEC = spec_of()
START = microseconds(tiny.START)
MEMBERS, ITEMS = (collaborative_table(f"watched_{side}") for side in ("member", "item"))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tiny.tables(SPEC, tmp_path / "tables")


def built(tables: Path, folder: Path, spec=SPEC, kept: Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder.mkdir(exist_ok=True)
    assert snapshots(spec, tables, folder, END, None if kept is None else str(kept)) == [MEMBERS, ITEMS]
    return pd.read_parquet(folder / f"{MEMBERS}.parquet"), pd.read_parquet(folder / f"{ITEMS}.parquet")


def test_every_cut_that_a_seed_reads_and_the_newest_of_all_members(tables: Path, tmp_path: Path) -> None:
    """Windows: train begins on day 2; a member's lag of 3 days reaches back to the first. Days are 0 to 9."""
    members, items = built(tables, tmp_path / "out")
    cuts = (members["watched_member_cut"] - START) // DAY
    assert sorted(cuts.unique()) == sorted(((items["watched_item_cut"] - START) // DAY).unique()) == list(range(1, 11))
    valid_from = members["valid_from"].astype("datetime64[us, UTC]").astype("int64")
    assert (valid_from == members["watched_member_cut"] + 3 * HOUR).all()
    assert set(members.loc[cuts == 10, "member_id"]) == {*tiny.MEMBERS, 99}
    plan = collaborative_plans(SPEC)["watched"]
    assert list(members.columns) == ["member_id", "valid_from", *member_columns(plan)]
    assert list(items.columns) == ["post_id", "valid_from", *item_columns(plan)]


def test_older_snapshots_hold_members_with_an_impression_that_reads_them(tables: Path, tmp_path: Path) -> None:
    """Member 99 is shown something on day 9 only: with a lag of an hour, snapshots before day 8 do not need it."""
    shown = pd.read_parquet(tables / "impressions.parquet")
    shown["member"] = np.where(shown["time"] >= tiny.START + 9 * tiny.DAY, 99, shown["member"].replace(99, 1))
    shown.loc[shown.index[0], "member"] = 99
    tiny.write(tables, "impressions", shown)
    members, _ = built(tables, tmp_path / "out", spec_of(training={"member_lag_days": 1 / 24}))
    own = members[members["member_id"] == 99]
    days = (own["watched_member_cut"] - START) // DAY
    assert 10 in set(days)
    assert 9 in set(days)
    assert not {3, 4, 5} & set(days)


def test_what_settles_after_a_cut_moves_nothing_in_it(tables: Path, tmp_path: Path) -> None:
    """Outcomes that are not settled at a cut are flipped: every snapshot up to it keeps its bits."""
    before = built(tables, tmp_path / "out")
    shown = pd.read_parquet(tables / "impressions.parquet")
    for day in (2, 5, 9):
        cut = tiny.START + day * tiny.DAY
        assert (shown["settled_time"] == cut).sum() + (shown["settled_time"] > cut).sum() > 5
        flipped = shown["click"].where(shown["settled_time"] < cut, 1 - shown["click"])
        tiny.write(tables, "impressions", shown.assign(click=flipped))
        after = built(tables, tmp_path / f"flipped{day}")
        for one, other, column in zip(before, after, ("watched_member_cut", "watched_item_cut"), strict=True):
            limit = microseconds(cut)
            pd.testing.assert_frame_equal(one[one[column] <= limit], other[other[column] <= limit])
            assert (
                not one[one[column] > limit]
                .reset_index(drop=True)
                .equals(other[other[column] > limit].reset_index(drop=True))
            )


def test_an_event_at_the_cut_is_not_in_it(tables: Path, tmp_path: Path) -> None:
    shown = pd.read_parquet(tables / "impressions.parquet").iloc[:1]
    cut = tiny.START + 4 * tiny.DAY
    for settled, first in ((cut, 5), (cut - pd.Timedelta(microseconds=1), 4)):
        row = shown.assign(time=settled - pd.Timedelta(minutes=1), settled_time=settled)
        tiny.write(tables, "impressions", row)
        tiny.write(tables, "likes", tiny.likes().iloc[:0])
        _, items = built(tables, tmp_path / f"out{first}")
        assert ((items["watched_item_cut"] - START) // DAY).min() == first


def test_the_order_of_the_rows_changes_nothing(tables: Path, tmp_path: Path) -> None:
    built(tables, tmp_path / "out")
    for name in ("impressions", "likes"):
        frame = pd.read_parquet(tables / f"{name}.parquet")
        tiny.write(tables, name, frame.sample(frac=1, random_state=1))
    built(tables, tmp_path / "again")
    for name in (MEMBERS, ITEMS):
        file = f"{name}.parquet"
        assert (tmp_path / "out" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_the_history_is_that_of_the_newest_events(tables: Path, tmp_path: Path) -> None:
    members, _ = built(tables, tmp_path / "out", spec_of(block(history=2)))
    assert members["watched_seen"].map(len).max() == 2
    assert all((np.diff(seen) > 0).all() for seen in members["watched_seen"])


def test_kept_snapshots_are_fitted_once_and_give_the_same_tables(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, fitted = tmp_path / "kept", []
    fit = build.fit
    monkeypatch.setattr(build, "fit", lambda plan, pairs: fitted.append(1) or fit(plan, pairs))
    first = built(tables, tmp_path / "out", kept=kept)
    count = len(list((kept / "collaborative").iterdir()))
    assert len(fitted) == count == 10
    damaged = sorted((kept / "collaborative").iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-5])
    again = built(tables, tmp_path / "again", kept=kept)
    assert len(fitted) == count + 1
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    built(tables, tmp_path / "other", spec_of(block(neighbors=1)), kept)
    assert len(fitted) == 2 * count + 1
    assert len(list((kept / "collaborative").iterdir())) == count


def test_a_forgotten_member_is_in_no_snapshot(tables: Path, tmp_path: Path) -> None:
    """And the items' rows are those of a world without the member."""
    salt = b"salt"
    forgotten = Forgotten("member_id", salt, frozenset([digest(3, salt)]))
    frames = {name: pd.read_parquet(tables / f"{name}.parquet") for name in ("impressions", "likes")}
    for name, frame in without_forgotten(SPEC, frames, forgotten).items():
        tiny.write(tables, name, frame)
    members, items = built(tables, tmp_path / "out")
    assert 3 not in set(members["member_id"])
    for name, column in (("impressions", "member"), ("likes", "member_id")):
        tiny.write(tables, name, frames[name][frames[name][column] != 3])
    pd.testing.assert_frame_equal(items, built(tables, tmp_path / "without")[1])


def test_kept_snapshots_go_with_the_last_block(tables: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    built(tables, tmp_path / "out", kept=kept)
    assert snapshots(spec_of({}), tables, tmp_path / "out", END, str(kept)) == []
    assert not list((kept / "collaborative").iterdir())


@pytest.mark.parametrize("later", [0, 2])
def test_a_row_for_which_two_edges_hold_is_one_event(tables: Path, tmp_path: Path, later: int) -> None:
    """An edge of all impressions overlaps with clicked, at the same time or, with its own time, days before it."""
    edges = {name: edge.model_dump(exclude_none=True, exclude_unset=True) for name, edge in SPEC.edges.items()}
    edges["shown"] = {key: value for key, value in edges["skipped"].items() if key != "filter"}
    spec = spec_of(block(events=["shown", "clicked"], outcome=["clicked"]), edges=edges)
    spec = spec.model_copy(
        update={"edges": {**spec.edges, "clicked": spec.edges["clicked"].model_copy(update={"time": "click_time"})}}
    )
    shown = pd.read_parquet(tables / "impressions.parquet").iloc[:1].assign(click=1)
    clicked = (shown["settled_time"] + pd.Timedelta(days=later)).astype("datetime64[us, UTC]")
    pq.write_table(pa.Table.from_pandas(shown.assign(click_time=clicked)), tables / "impressions.parquet")
    with duckdb.connect() as connection:
        events = Events(connection, spec, "watched", tables)
        settled = microseconds(shown["settled_time"].iloc[0].to_pydatetime())
        assert events.before(settled).outcome.tolist() == []
        assert events.before(settled + 1).outcome.tolist() == [0.0 if later else 1.0]
        found = events.before(settled + later * DAY + 1)
    assert found.outcome.tolist() == [1.0]
    assert found.positive.tolist() == [True]


def test_no_events_give_empty_tables(tables: Path, tmp_path: Path) -> None:
    for name in ("impressions", "likes"):
        tiny.write(tables, name, pd.read_parquet(tables / f"{name}.parquet").iloc[:0])
    members, items = built(tables, tmp_path / "out")
    assert len(members) == len(items) == 0
    assert pq.read_schema(tmp_path / "out" / f"{ITEMS}.parquet").field("post_id").type == pa.string()


def test_one_member(tables: Path, tmp_path: Path) -> None:
    shown = pd.read_parquet(tables / "impressions.parquet")
    tiny.write(tables, "impressions", shown[shown["member"] == 2])
    tiny.write(tables, "likes", tiny.likes().iloc[:0])
    members, items = built(tables, tmp_path / "out")
    assert set(members["member_id"]) == {2}
    assert items["watched_item_item_weights"].map(len).max() == 0


def test_a_block_with_an_event_of_another_domain_is_left_out(tables: Path, tmp_path: Path) -> None:
    edges = {name: edge.model_dump(exclude_none=True, exclude_unset=True) for name, edge in SPEC.edges.items()}
    edges["liked"]["domain"] = "elsewhere"
    inside = {**block(), "own": block(events=["skipped", "clicked"], outcome=["clicked"])["watched"]}
    spec = spec_of(inside, edges=edges, domains=["feed"])
    assert list(collaborative_plans(spec)) == ["own"]
    assert snapshots(spec, tables, tmp_path, END) == ["collaborative_own_member", "collaborative_own_item"]
