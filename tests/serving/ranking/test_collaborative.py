"""Collaborative features online: the bits of the training set's; missing and flagged where rows do not fit."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.as_of.collaborative import collaborative_as_of
from feature_repo.materialise import materialize
from feature_repo.store import project_of, write_resolved
from models.features import SLOTS, collaborative_columns
from models.spec.serving import MaxAge
from models.time_units import DAY, HOUR, microseconds
from serving.ranking.collaborative import CollaborativeFeatures
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.ranking.staleness import COLLABORATIVE, Staleness
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import open_world, spec_of
from tests.feature_repo.conftest import World

SPEC = spec_of()
START = microseconds(tiny.START)
POSTS = ("p2", "unknown", "p1", "p3")
COLUMNS = collaborative_columns(SPEC)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_world(tmp_path_factory.mktemp("world"), SPEC)


def read(world: World, member: int, time: int) -> OnlineFeatures:
    """What the store has for the posts just before a time."""

    async def once() -> OnlineFeatures:
        config = write_resolved(tiny.CONFIG, world.state, project_of(world.spec.name))
        async with OnlineReader(config, world.spec, SLOTS[0]) as reader:
            return await reader.read(RankingRequest(member, POSTS, "feed", time))

    return asyncio.run(once())


@pytest.mark.parametrize("time", [START + 4 * DAY + 3 * HOUR, START + 4 * DAY + 3 * HOUR + 1, START + 30 * DAY])
def test_online_features_have_the_bits_of_offline_ones(tmp_path: Path, time: int) -> None:
    world = open_world(tmp_path, SPEC)
    materialize(world.store, SPEC, time)
    some = 0
    for member in (*tiny.MEMBERS, 99, -5):
        online = read(world, member, time).collaborative.features
        keys = {"member_id": np.full(len(POSTS), member), "post_id": np.array(POSTS, object)}
        offline = collaborative_as_of(world.store, SPEC, keys, np.full(len(POSTS), time))
        assert list(online) == list(offline) == COLUMNS
        for column, values in offline.items():
            assert online[column].dtype == np.float32
            np.testing.assert_array_equal(online[column], values.to_numpy(), column)
            some += np.isfinite(online[column]).sum()
    assert some > 150


def test_a_store_without_rows_has_no_features_and_no_age(world: World) -> None:
    found = read(world, 3, START + 9 * DAY).collaborative
    assert all(np.isnan(values).all() for values in found.features.values())
    assert (found.late, found.mixed) == (None, False)


def test_rows_of_two_cuts_are_missing_and_flagged(tmp_path: Path) -> None:
    """The members' table of the last day did not arrive: their rows are those of the day before."""
    world = open_world(tmp_path, SPEC)
    path = world.tables / "collaborative_watched_member.parquet"
    rows = pq.read_table(path)
    newest = pa.compute.max(rows["watched_member_cut"])
    pq.write_table(rows.filter(pa.compute.less(rows["watched_member_cut"], newest)), path)
    materialize(world.store, SPEC, START + 30 * DAY)
    online = read(world, 3, START + 30 * DAY)
    known = [place for place, post in enumerate(POSTS) if post in tiny.POSTS]
    assert all(np.isnan(values[known]).all() for values in online.collaborative.features.values())
    assert online.collaborative.mixed
    assert Staleness.of(MaxAge(collaborative="90d"), online).kinds == (COLLABORATIVE,)


def test_an_item_of_an_older_cut_has_no_row_and_is_not_flagged(tmp_path: Path) -> None:
    """p1 is in no member's list any more: its newest row stays, one day older than the others. So offline."""
    world, time = open_world(tmp_path, SPEC), START + 10 * DAY + 4 * HOUR
    path = world.tables / "collaborative_watched_item.parquet"
    rows = pq.read_table(path)
    newest = pa.compute.equal(rows["watched_item_cut"], pa.compute.max(rows["watched_item_cut"]))
    pq.write_table(
        rows.filter(pa.compute.invert(pa.compute.and_(newest, pa.compute.equal(rows["post_id"], "p1")))), path
    )
    materialize(world.store, SPEC, time)
    online = read(world, 3, time)
    found = {column: values[POSTS.index("p1")] for column, values in online.collaborative.features.items()}
    assert [column for column, value in found.items() if np.isfinite(value)] == ["watched_member_effect"]
    assert Staleness.of(MaxAge(), online).kinds == ()
    keys = {"member_id": np.full(len(POSTS), 3), "post_id": np.array(POSTS, object)}
    for column, values in collaborative_as_of(world.store, SPEC, keys, np.full(len(POSTS), time)).items():
        np.testing.assert_array_equal(online.collaborative.features[column], values.to_numpy(), column)


@pytest.mark.parametrize(("after", "late"), [(0, None), (1, START + 10 * DAY)])
def test_a_snapshot_is_late_from_when_the_next_is_visible(tmp_path: Path, after: int, late: int | None) -> None:
    world = open_world(tmp_path, SPEC)
    materialize(world.store, SPEC, START + 10 * DAY + 4 * HOUR)
    online = read(world, 3, START + 11 * DAY + 3 * HOUR + after)
    assert online.collaborative.late == late
    assert Staleness.of(MaxAge(), online).kinds == ((COLLABORATIVE,) if after else ())


def test_a_limit_only_loosens_the_schedule() -> None:
    limits, now = MaxAge(collaborative="51h"), START
    for age, kinds in ((51 * HOUR, ()), (51 * HOUR + 1, (COLLABORATIVE,))):
        online = replace(OnlineFeatures.nothing(2), as_of=now, collaborative=CollaborativeFeatures({}, now - age))
        assert Staleness.of(limits, online).kinds == kinds
        assert Staleness.of(MaxAge(), online).kinds == (COLLABORATIVE,)
        assert (
            Staleness.of(MaxAge(collaborative="1s"), replace(online, collaborative=CollaborativeFeatures())).kinds == ()
        )
