import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.as_of import RetrievalError, features_as_of
from feature_repo.as_of.versions import node_versions
from feature_repo.counters import count
from feature_repo.retrieve import retrieve
from feature_repo.views.errors import NotAppliedError
from models.counters.hashing import hash_of
from models.features import counter_columns, training_columns
from models.time_units import microseconds
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world

EPOCH = pd.Timestamp(0, tz="UTC")
ORIGIN = microseconds(tiny.START)
TTL = int(timedelta(days=3) / timedelta(microseconds=1))
# Few distinct moments, microseconds apart or exactly one TTL apart: ties and expiries are the rule.
MOMENTS = st.sampled_from([0, 1, 2, 3, TTL, TTL + 1, TTL + 2, TTL + 3])
HISTORY = st.lists(st.tuples(st.sampled_from(tiny.MEMBERS[:2]), MOMENTS, st.integers(0, 3)), unique=True, max_size=12)


def _profiles(history: list[tuple[int, int, int]]) -> pd.DataFrame:
    """Versions with values that tell them apart: (member, time, created) -> seniority = position."""
    times = pd.to_datetime([ORIGIN + time for _, time, _ in history], unit="us", utc=True)
    created = pd.to_datetime([ORIGIN + created for _, _, created in history], unit="us", utc=True)
    frame = pd.DataFrame({"member_id": [member for member, _, _ in history], "valid_from": times, "written": created})
    return frame.astype({"member_id": "int64"}).assign(seniority=np.arange(len(history), dtype=float), country="c")


def _recent(history: list[tuple[int, int, int]]) -> pd.DataFrame:
    """The same without created times: of equal (member, time) the first."""
    frame = _profiles(history)[["member_id", "valid_from", "seniority"]].rename(columns={"seniority": "streak"})
    return frame.drop_duplicates(["member_id", "valid_from"])


def _expected(frame: pd.DataFrame, value: str, member: int, time: int, ttl: int | None) -> float | None:
    """By hand: the last version strictly before ``time``, of equal times the one created last; None if it expired."""
    order = ["valid_from", "written"] if "written" in frame else ["valid_from"]
    moments = (frame["valid_from"] - tiny.START) // pd.Timedelta(microseconds=1)
    seen = frame[(frame["member_id"] == member) & (moments < time)].sort_values(order)
    if seen.empty or (ttl is not None and moments[seen.index[-1]] + ttl < time - 1):
        return None
    return seen[value].iloc[-1]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY, queried=st.lists(MOMENTS.map(lambda moment: moment + 1) | MOMENTS, min_size=1, max_size=8))
def test_only_versions_strictly_before_the_moment_are_seen(
    own_world: World, history: list[tuple[int, int, int]], queried: list[int]
) -> None:
    world = own_world
    profiles, recent = _profiles(history), _recent(history)
    tiny.write(world.tables, "member_profiles", profiles)
    tiny.write(world.tables, "member_recent", recent)
    queries = [(member, time) for time in queried for member in tiny.MEMBERS[:3]]
    members, times = np.array([m for m, _ in queries]), np.array([t for _, t in queries])
    views = ["member_profile", "member_recent"]
    found = features_as_of(world.store, {"member_id": members}, times + ORIGIN, views)
    assert found["seniority"].to_pylist() == [_expected(profiles, "seniority", m, t, None) for m, t in queries]
    assert found["streak"].to_pylist() == [_expected(recent, "streak", m, t, TTL) for m, t in queries]

    # The versions that the sampler walks tell the same: the last one strictly before the moment.
    versions = node_versions(world.store, world.spec, "member").to_pandas()
    assert not versions.duplicated(["member_id", "valid_from"]).any()
    for (member, time), seniority, streak in zip(
        queries, found["seniority"].to_pylist(), found["streak"].to_pylist(), strict=True
    ):
        moments = (versions["valid_from"] - tiny.START) // pd.Timedelta(microseconds=1)
        seen = versions[(versions["member_id"] == member) & (moments < time)]
        last = seen.iloc[-1] if len(seen) else {"seniority": np.nan, "streak": np.nan}
        np.testing.assert_array_equal([last["seniority"], last["streak"]], np.array([seniority, streak], dtype=float))


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("retrieved")
    world = open_world(folder)
    return world, folder / "training", retrieve(world.store, world.spec, world.tables, folder / "training")


def test_rows_keep_their_keys_order_types_and_nulls(training_set: tuple[World, Path, dict[str, Any]]) -> None:
    world, folder, manifest = training_set
    table = pq.read_table(folder / "impressions.parquet")
    source = pd.read_parquet(world.tables / "impressions.parquet").sort_values("impression_id")
    inside = source[source["time"] >= tiny.START + 2 * tiny.DAY]
    assert table["impression_id"].to_pylist() == inside["impression_id"].tolist()
    assert table["member"].to_pylist() == inside["member"].tolist()
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("member_counts_exposures").type) == "float"
    assert str(table.schema.field("seniority").type) == "float"
    assert table.column_names[-len(training_columns(world.spec)) :] == [f.name for f in training_columns(world.spec)]
    frame = table.to_pandas()
    assert frame.loc[frame["member"] == 99, "seniority"].isna().all()
    assert frame.loc[frame["member"] == 2, "country"].isna().all()
    assert frame.loc[frame["member"] == 1, "country"].eq("c1").all()
    assert manifest["windows"] == frame["window"].value_counts().to_dict()
    assert manifest == json.loads((folder / "manifest.json").read_text())
    assert set(manifest["tables"]) == {"impressions", "frozen", "versions_member", "versions_post", "versions_company"}


def test_counters_hold_what_was_strictly_before(training_set: tuple[World, Path, dict[str, Any]]) -> None:
    """By hand: exposures from when they were shown, clicks from when they settled, ties not at all."""
    world, folder, _ = training_set
    shown = pd.read_parquet(world.tables / "impressions.parquet")
    for row in pd.read_parquet(folder / "impressions.parquet").itertuples():
        own = shown[shown["post_id"] == row.post_id]
        settled, everywhere = (frame[frame["settled_time"] < row.time] for frame in (own, shown))
        assert row.post_counts_exposures == (own["time"] < row.time).sum()
        rate = (settled["click"].sum() + 20 * everywhere["click"].mean()) / (len(settled) + 20)
        assert np.float32(row.post_counts_click_rate) == np.float32(rate)
        assert (
            row.member_surface_counts_exposures
            == ((shown["time"] < row.time) & (shown["member"] == row.member) & (shown["surface"] == row.surface)).sum()
        )


def test_a_counter_by_a_feature_of_the_item(tmp_path: Path) -> None:
    """The item's feature is looked up first; a post without a version has no topic, and its counter no row."""
    by_topic = {"keys": ["member", "topic"], "window": "2d", "last": 1, "recency": True}
    world = open_world(tmp_path, counters={**tiny.DOCUMENT["counters"], "by_topic": by_topic})
    posts = pd.read_parquet(world.tables / "posts.parquet")
    tiny.write(world.tables, "posts", posts[posts["post_id"] != "p3"].assign(topic=["same", "same"]))
    count(world.spec, world.tables, world.tables)
    retrieve(world.store, world.spec, world.tables, tmp_path / "training")
    frame = pd.read_parquet(tmp_path / "training" / "impressions.parquet")
    shown = pd.read_parquet(world.tables / "impressions.parquet")
    pane = tiny.DAY / 8
    seen = 0
    for row in frame.itertuples():
        if row.post_id == "p3":
            assert row.by_topic_exposures == 0
            assert np.isnan(row.by_topic_recency)
            continue
        own = shown[(shown["member"] == row.member) & (shown["post_id"] != "p3") & (shown["time"] < row.time)]
        inside = (own["time"] - EPOCH) // pane > (row.time - 16 * pane - EPOCH) // pane
        assert row.by_topic_exposures == inside.sum()
        settled = own[own["settled_time"] < row.time].sort_values(["settled_time", "impression_id"])
        if len(own):
            seconds = (row.time - own["time"].max()) / pd.Timedelta(seconds=1)
            assert np.float32(row.by_topic_recency) == np.float32(np.log1p(seconds))
        if len(settled):
            seen += 1
            assert row.by_topic_last1_click == settled["click"].iloc[-1]
    assert seen > 20


def test_last_exposures_go_on_and_their_outcomes_are_the_members_of_the_frozen_time(tmp_path: Path) -> None:
    """By hand: each of the last two exposures, in both states."""
    seen = {"keys": ["member"], "last_exposures": 2, "compare": ["surface", "item", "topic"]}
    world = open_world(tmp_path, counters={"seen": seen})
    count(world.spec, world.tables, world.tables)
    retrieve(world.store, world.spec, world.tables, tmp_path / "training")
    as_of, frozen = (pd.read_parquet(tmp_path / "training" / f"{name}.parquet") for name in ("impressions", "frozen"))
    going_on = [name for name in counter_columns(world.spec, "seen") if not re.search("outcome|pending|rate", name)]
    pd.testing.assert_frame_equal(frozen[going_on], as_of[going_on])
    assert len(going_on) == 1 + 2 * 4
    shown = pd.read_parquet(world.tables / "impressions.parquet")
    shown["rank"] = [hash_of(key) for key in shown["impression_id"]]
    known = 0
    for row in frozen.itertuples():
        own = shown[(shown["member"] == row.member) & (shown["time"] < row.time)].sort_values(["time", "rank"])
        assert np.isnan(row.seen_exposure1_gap) == own.empty
        assert np.isnan(row.seen_exposure2_gap) == (len(own) < 2)
        for place, past in enumerate([*own.itertuples()][:-3:-1], 1):
            name, seconds = f"seen_exposure{place}", (row.time - past.time) / pd.Timedelta(seconds=1)
            assert np.float32(getattr(row, f"{name}_gap")) == np.float32(np.log1p(seconds))
            assert getattr(row, f"{name}_pending") == (past.settled_time >= row.frozen_time)
            assert getattr(as_of.loc[row.Index], f"{name}_pending") == (past.settled_time >= row.time)
            assert getattr(row, f"{name}_same_surface") == (past.surface == row.surface)
            assert getattr(row, f"{name}_same_item") == (past.post_id == row.post_id)
            settled = past.settled_time < row.frozen_time
            known += settled
            np.testing.assert_equal(getattr(row, f"{name}_outcome_click"), past.click if settled else np.nan)
            outcome = getattr(as_of.loc[row.Index], f"{name}_outcome_click")
            np.testing.assert_equal(outcome, past.click if past.settled_time < row.time else np.nan)
    assert 20 < known < (~as_of["seen_exposure1_outcome_click"].isna()).sum() * 2
    assert frozen["seen_exposure1_same_topic"].notna().any()


def test_frozen_rows_hold_the_members_outcomes_of_their_frozen_time(
    training_set: tuple[World, Path, dict[str, Any]],
) -> None:
    world, folder, _ = training_set
    as_of = pd.read_parquet(folder / "impressions.parquet").set_index("impression_id")
    frozen = pd.read_parquet(folder / "frozen.parquet").set_index("impression_id")
    assert list(frozen.columns) == [*as_of.columns, "frozen_time"]
    assert list(frozen.index) == list(as_of.index)
    # Exposures, and all that is keyed by the item, go on.
    going_on = [*counter_columns(world.spec, "post_counts"), "topic", "title", "member_counts_exposures"]
    pd.testing.assert_frame_equal(frozen[going_on], as_of[going_on])
    shown = pd.read_parquet(world.tables / "impressions.parquet")
    for row in frozen.itertuples():
        settled = shown[shown["settled_time"] < row.frozen_time]
        own = settled[settled["member"] == row.member]["click"]
        rate = (own.sum() + 20 * settled["click"].mean()) / (len(own) + 20)
        assert np.float32(row.member_counts_click_rate) == np.float32(rate)
    train = frozen["window"] == "train"
    assert (frozen.loc[train, "member_counts_click_rate"] != as_of.loc[train, "member_counts_click_rate"]).any()
    # One ranking request sees one state: within a window nothing moves with the member's own outcomes.
    later = frozen[~train & (frozen["time"] > frozen["frozen_time"])]
    assert later.groupby(["member", "window"])["member_counts_click_rate"].nunique().max() == 1


def test_retrieving_again_gives_the_same_files(training_set: tuple[World, Path, dict[str, Any]]) -> None:
    world, folder, manifest = training_set
    assert retrieve(world.store, world.spec, world.tables, folder) == manifest
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_other_tables_than_the_applied_ones_are_an_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(NotAppliedError, match="Apply these tables first"):
        retrieve(world.store, world.spec, tmp_path, tmp_path / "training")
    assert not (tmp_path / "training").exists()


def test_a_null_key_is_an_error(own_world: World, tmp_path: Path) -> None:
    frame = pd.read_parquet(own_world.tables / "impressions.parquet")
    tiny.write(
        own_world.tables, "impressions", frame.assign(member=frame["member"].astype("Int64").where(frame.index > 99))
    )
    with pytest.raises(RetrievalError, match=r"impressions\.member"):
        retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "training")


def test_an_empty_text_of_context_is_missing(own_world: World, tmp_path: Path) -> None:
    frame = pd.read_parquet(own_world.tables / "impressions.parquet")
    tiny.write(own_world.tables, "impressions", frame.assign(device=frame["device"].replace({"web": ""})))
    retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "training")
    found = pd.read_parquet(tmp_path / "training" / "impressions.parquet")["device"]
    assert set(found.dropna()) == {"phone"}
    assert found.isna().any()


def test_no_impressions_give_an_empty_training_set(own_world: World, tmp_path: Path) -> None:
    full = retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "full")
    tiny.write(own_world.tables, "impressions", pd.read_parquet(own_world.tables / "impressions.parquet").iloc[:0])
    manifest = retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "training")
    assert manifest["windows"] == {"train": 0, "validate": 0, "gate": 0, "test": 0}
    assert manifest["tables"]["impressions"]["columns"] == full["tables"]["impressions"]["columns"]
