"""Collaborative columns of the training set: as of a snapshot that is visible, the same for all rows that see it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.as_of import collaborative
from feature_repo.as_of.collaborative import collaborative_as_of
from feature_repo.retrieve import retrieve
from models.features import collaborative_columns
from models.spec import Spec
from models.time_units import DAY, HOUR, microseconds
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import block, open_world, spec_of
from tests.feature_repo.conftest import World

SPEC = spec_of()
COLUMNS = collaborative_columns(SPEC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_world(tmp_path_factory.mktemp("world"), SPEC)


def training_set(world: World, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    retrieve(world.store, world.spec, world.tables, folder)
    impressions, frozen = (pd.read_parquet(folder / f"{name}.parquet") for name in ("impressions", "frozen"))
    return impressions.set_index("impression_id"), frozen.set_index("impression_id")


def as_of(world: World, member: int, post: str, time: int) -> pd.Series:
    keys = {"member_id": np.array([member]), "post_id": np.array([post], object)}
    found = collaborative_as_of(world.store, world.spec, keys, np.array([time]))
    return pd.Series({name: values.to_numpy()[0] for name, values in found.items()})


def test_every_row_reads_the_snapshot_of_its_own_and_of_its_frozen_time(world: World, tmp_path: Path) -> None:
    impressions, frozen = training_set(world, tmp_path / "training")
    assert impressions[COLUMNS].notna().any().all()
    assert not impressions[COLUMNS].equals(frozen[COLUMNS])
    for frame, column in ((impressions, "time"), (frozen, "frozen_time")):
        for row in frame.sample(20, random_state=0).itertuples():
            own = as_of(world, row.member, row.post_id, microseconds(getattr(row, column).to_pydatetime()))
            np.testing.assert_array_equal(frame.loc[row.Index, COLUMNS].astype(float), own[COLUMNS].astype(float))


def test_a_snapshot_is_visible_strictly_after_its_delay(world: World) -> None:
    visible = microseconds(tiny.START) + 8 * DAY + 3 * HOUR
    before, at, after = (as_of(world, 3, "p1", visible + step) for step in (-1, 0, 1))
    pd.testing.assert_series_equal(before, at)
    assert not at.equals(after)
    pd.testing.assert_series_equal(after, as_of(world, 3, "p1", visible + DAY))


def test_an_unknown_member_or_item_has_no_column_but_the_others_effect(world: World) -> None:
    time = microseconds(tiny.START) + 9 * DAY
    member, item = as_of(world, -5, "p1", time), as_of(world, 3, "p9", time)
    assert list(member.dropna().index) == ["watched_item_effect"]
    assert list(item.dropna().index) == ["watched_member_effect"]


def test_before_the_first_snapshot_everything_is_missing(world: World) -> None:
    assert as_of(world, 3, "p1", microseconds(tiny.START)).isna().all()


def test_outcomes_that_settle_later_move_no_column(world: World, tmp_path: Path) -> None:
    """Flipped for every impression that is not settled at the cut of a row, they leave the row's columns alone."""
    before, _ = training_set(world, tmp_path / "training")
    shown = pd.read_parquet(world.tables / "impressions.parquet")
    cut = tiny.START + 5 * tiny.DAY
    flipped = shown.assign(click=shown["click"].where(shown["settled_time"] < cut, 1 - shown["click"]))
    other = open_world(tmp_path / "other", world.spec, flipped)
    after, _ = training_set(other, tmp_path / "training2")
    early = before["time"] <= cut + tiny.DAY + pd.Timedelta(hours=3)
    pd.testing.assert_frame_equal(before.loc[early, COLUMNS], after.loc[early, COLUMNS])
    assert not before.loc[~early, COLUMNS].equals(after.loc[~early, COLUMNS])


def test_chunks_change_nothing(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = training_set(world, tmp_path / "training")
    monkeypatch.setattr(collaborative, "_ROWS", 7)
    pd.testing.assert_frame_equal(whole, training_set(world, tmp_path / "training2")[0])


def test_no_rows(world: World) -> None:
    none = {"member_id": np.zeros(0, np.int64), "post_id": np.zeros(0, object)}
    found = collaborative_as_of(world.store, world.spec, none, np.zeros(0, np.int64))
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(COLUMNS, 0)


def test_a_zone_with_another_midnight(tmp_path: Path) -> None:
    """Clocks in Lord Howe go by half an hour; the cut is the local midnight."""
    spec: Spec = spec_of(block(delay="0s", kinds=["base"]), timezone="Australia/Lord_Howe")
    world = open_world(tmp_path, spec)
    items = pd.read_parquet(world.tables / "collaborative_watched_item.parquet")
    local = items["valid_from"].dt.tz_convert("Australia/Lord_Howe")
    assert (local == local.dt.normalize()).all()
