import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.as_of import features_as_of
from feature_repo.errors import NotAppliedError, RetrievalError
from feature_repo.retrieve import retrieve
from feature_repo.versions import node_versions
from models.features import counter_columns, training_columns
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

ORIGIN = tiny.microseconds(tiny.START)
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
@given(history=HISTORY, asked=st.lists(MOMENTS.map(lambda moment: moment + 1) | MOMENTS, min_size=1, max_size=8))
def test_only_versions_strictly_before_the_moment_are_seen(
    own_world: World, history: list[tuple[int, int, int]], asked: list[int]
) -> None:
    world = own_world
    profiles, recent = _profiles(history), _recent(history)
    tiny.write(world.tables, "member_profiles", profiles)
    tiny.write(world.tables, "member_recent", recent)
    questions = [(member, time) for time in asked for member in tiny.MEMBERS[:3]]
    members, times = np.array([m for m, _ in questions]), np.array([t for _, t in questions])
    views = ["member_profile", "member_recent"]
    found = features_as_of(world.store, {"member_id": members}, times + ORIGIN, views)
    assert found["seniority"].to_pylist() == [_expected(profiles, "seniority", m, t, None) for m, t in questions]
    assert found["streak"].to_pylist() == [_expected(recent, "streak", m, t, TTL) for m, t in questions]

    # The versions that the sampler walks tell the same: the last one strictly before the moment.
    versions = node_versions(world.store, world.spec, "member").to_pandas()
    assert not versions.duplicated(["member_id", "valid_from"]).any()
    for (member, time), seniority, streak in zip(
        questions, found["seniority"].to_pylist(), found["streak"].to_pylist(), strict=True
    ):
        moments = (versions["valid_from"] - tiny.START) // pd.Timedelta(microseconds=1)
        seen = versions[(versions["member_id"] == member) & (moments < time)]
        last = seen.iloc[-1] if len(seen) else {"seniority": np.nan, "streak": np.nan}
        np.testing.assert_array_equal([last["seniority"], last["streak"]], np.array([seniority, streak], dtype=float))


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path, dict[str, Any]]:
    from tests.feature_repo.conftest import open_world

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
    assert str(table.schema.field("member_counts_exposures").type) == "int64"
    assert str(table.schema.field("seniority").type) == "float"
    assert table.column_names[-len(training_columns(world.spec)) :] == [f.name for f in training_columns(world.spec)]
    frame = table.to_pandas()
    assert frame.loc[frame["member"] == 99, "seniority"].isna().all()
    assert frame.loc[frame["member"] == 2, "country"].isna().all()
    assert frame.loc[frame["member"] == 1, "country"].eq("c1").all()
    assert manifest["windows"] == frame["window"].value_counts().to_dict()
    assert manifest == json.loads((folder / "manifest.json").read_text())
    assert set(manifest["tables"]) == {"impressions", "frozen", "versions_member", "versions_post", "versions_company"}


def test_a_counter_of_midnight_is_not_seen_at_midnight(training_set: tuple[World, Path, dict[str, Any]]) -> None:
    world, folder, _ = training_set
    frame = pd.read_parquet(folder / "impressions.parquet")
    counts = pd.read_parquet(world.tables / "counter_post_counts.parquet").set_index(["post_id", "valid_from"])
    day = (frame["time"] - pd.Timedelta(microseconds=1)).dt.floor("D")
    assert (frame["time"] == frame["time"].dt.floor("D")).sum() > 3
    expected = counts.loc[list(zip(frame["post_id"], day, strict=True)), "post_counts_exposures"]
    assert frame["post_counts_exposures"].tolist() == expected.tolist()


def test_frozen_rows_hold_the_members_state_of_their_windows_start(
    training_set: tuple[World, Path, dict[str, Any]],
) -> None:
    world, folder, _ = training_set
    as_of = pd.read_parquet(folder / "impressions.parquet").set_index("impression_id")
    frozen = pd.read_parquet(folder / "frozen.parquet").set_index("impression_id")
    assert list(frozen.columns) == list(as_of.columns)
    assert set(frozen["window"]) == {"validate", "gate", "test"}
    as_of = as_of.loc[frozen.index]
    items = [*counter_columns(world.spec, "post_counts"), "topic", "title"]
    pd.testing.assert_frame_equal(frozen[items], as_of[items])
    counts = pd.read_parquet(world.tables / "counter_member_counts.parquet").set_index(["member_id", "valid_from"])
    for row in frozen[frozen["member"] != 99].itertuples():
        start = pd.Timestamp(world.spec.span(row.window).start, unit="us", tz="UTC")
        if row.time > start:
            assert row.member_counts_exposures == counts.loc[(row.member, start), "member_counts_exposures"]
    # One ranking request sees one state: within a window a member's rows differ in nothing that is keyed by it.
    later = frozen[
        frozen["time"] > frozen["window"].map(lambda w: pd.Timestamp(world.spec.span(w).start, unit="us", tz="UTC"))
    ]
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


def test_no_impressions_give_an_empty_training_set(own_world: World, tmp_path: Path) -> None:
    full = retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "full")
    tiny.write(own_world.tables, "impressions", pd.read_parquet(own_world.tables / "impressions.parquet").iloc[:0])
    manifest = retrieve(own_world.store, own_world.spec, own_world.tables, tmp_path / "training")
    assert manifest["windows"] == {"train": 0, "validate": 0, "gate": 0, "test": 0}
    assert manifest["tables"]["impressions"]["columns"] == full["tables"]["impressions"]["columns"]
