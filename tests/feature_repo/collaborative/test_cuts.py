"""A snapshot is built as soon as its midnight is past, and served only once it is visible."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.collaborative.cuts import needed_cuts
from feature_repo.materialise import materialize
from feature_repo.materialise.newest import interval, newest_rows
from models.time_units import DAY, HOUR, microseconds
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import END, open_world, spec_of

SPEC = spec_of()
START = microseconds(tiny.START)


@pytest.mark.parametrize(
    ("now", "end", "serving"),
    [
        (10 * DAY - 1, END, [9]),
        (10 * DAY, END, [9, 10]),
        (10 * DAY + 3 * HOUR - 1, END, [9, 10]),
        (10 * DAY + 3 * HOUR, END, [9, 10]),
        (10 * DAY + 4 * HOUR, END + 3 * HOUR, [10]),
        (10 * DAY + HOUR, END - HOUR, [9, 10]),  # the data end before the midnight that is past
        (40 * DAY, END + HOUR, [9, 10, 11]),
    ],
)
def test_the_newest_cuts_are_for_all_members(
    monkeypatch: pytest.MonkeyPatch, now: int, end: int, serving: list[int]
) -> None:
    monkeypatch.setattr("models.clock.now", lambda: START + now)
    cuts = needed_cuts(SPEC, 3 * HOUR, end)
    assert [(cut.cut - START) // DAY for cut in cuts if cut.last is None] == serving
    assert (np.diff([cut.cut for cut in cuts if cut.cut <= START + 10 * DAY]) == DAY).all()


def test_before_its_delay_the_snapshot_before_is_read_for_all_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.clock.now", lambda: END + HOUR)
    world = open_world(tmp_path, SPEC)
    rows = pd.read_parquet(world.tables / "collaborative_watched_member.parquet")
    assert rows["watched_member_cut"].max() == END
    view = world.store.get_feature_view("watched_member")
    found = newest_rows(world.store, view, *interval(view, END + HOUR))
    assert set(found["watched_member_cut"].to_pylist()) == {END - DAY}
    assert set(found["member_id"].to_pylist()) == {*tiny.MEMBERS, 99}
    assert found.schema.field("watched_member_snapshot").type == pa.int64()
    built = rows.loc[rows["watched_member_cut"] == END - DAY, "watched_member_snapshot"].unique().tolist()
    assert set(found["watched_member_snapshot"].to_pylist()) == set(built)


@pytest.mark.parametrize(("snapshots_until", "cut"), [(None, END - DAY), (END + 4 * HOUR, END)])
def test_a_snapshot_that_is_visible_after_the_end_of_the_data_goes_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshots_until: int | None, cut: int
) -> None:
    monkeypatch.setattr("models.clock.now", lambda: END + 4 * HOUR)
    world = open_world(tmp_path, SPEC)
    done = materialize(world.store, SPEC, END, snapshots_until=snapshots_until)
    found = world.store.get_online_features(["watched_member:watched_member_cut"], [{"member_id": tiny.MEMBERS[0]}])
    assert found.to_dict()["watched_member_cut"] == [cut]
    assert not done.ahead


def test_one_that_is_not_visible_yet_is_not_counted_as_ahead_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.clock.now", lambda: END + HOUR)
    world = open_world(tmp_path, SPEC)
    assert not materialize(world.store, SPEC, END, snapshots_until=END + HOUR).ahead
