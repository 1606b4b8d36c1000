"""Time features in a training set: as of the impression in every table of it, and kept by cold twins."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.retrieve import features_of, retrieve
from models.columns import FROZEN, IMPRESSIONS, TWINS
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.time_features import UNKNOWN, derive_time_features
from tests.feature_repo import tiny
from tests.feature_repo.timed import CANDIDATE, TIMED, nodes, open_timed, timed_spec

COLD, COLD_FROZEN = TWINS["item"]
TABLES = (IMPRESSIONS, FROZEN, COLD, COLD_FROZEN)


def retrieved(folder: Path, behavior: bool = False) -> dict[str, pa.Table]:
    """The tables of a training set with cold twins, by key; ``behavior``: of the posts' view."""
    own = copy.deepcopy(nodes())
    own["post"]["views"]["post_content"]["behavior"] = behavior
    world = open_timed(folder, timed_spec(nodes=own, training={"cold_share": 0.9}), seed=3)
    retrieve(world.store, world.spec, world.tables, folder / "training")
    build_graph(world.spec, world.tables, folder / "training", folder / "graph")
    return {name: pq.read_table(folder / "training" / f"{name}.parquet").sort_by("impression_id") for name in TABLES}


def of_twins(found: dict[str, pa.Table]) -> pa.Table:
    """The impressions that have a cold twin."""
    return found[IMPRESSIONS].filter(pc.is_in(found[IMPRESSIONS]["impression_id"], found[COLD]["impression_id"]))


def test_frozen_rows_and_cold_twins_keep_them(tmp_path: Path) -> None:
    found = retrieved(tmp_path)
    assert len(found[COLD]) > 3
    for name in {*TIMED, *CANDIDATE} - {"member_age"}:
        assert found[FROZEN][name].equals(found[IMPRESSIONS][name]), name
        assert found[COLD][name].equals(of_twins(found)[name]), name
        assert found[COLD_FROZEN][name].equals(found[COLD][name]), name
    assert 0 < found[IMPRESSIONS]["post_age"].null_count < len(found[IMPRESSIONS])
    assert pc.min(found[IMPRESSIONS]["member_age"]).as_py() >= 0
    graph = TemporalGraph.load(tmp_path / "graph")
    numbers = [feature.name for feature in graph.schema.seeds.features if feature.kind == "number"]
    place = numbers.index("post_age")
    kept = graph.seeds.keys.to_numpy()[~graph.seeds.cold.numpy()]
    values = graph.seeds.numbers[:, place].numpy()[~graph.seeds.cold.numpy()][np.argsort(kept)]
    np.testing.assert_array_equal(values, found[IMPRESSIONS]["post_age"].to_numpy())
    assert "published" not in {feature.name for node in graph.schema.nodes for feature in node.features}


def test_an_age_since_a_time_of_the_member_is_frozen_with_the_member(tmp_path: Path) -> None:
    frozen = retrieved(tmp_path)[FROZEN].to_pandas()
    profiles = pq.read_table(tmp_path / "tables" / "member_profiles.parquet").to_pandas().sort_values("valid_from")
    expected = []
    for row in frozen.itertuples():
        own = profiles[(profiles["member_id"] == row.member) & (profiles["valid_from"] < row.frozen_time)]
        joined = own["joined"].iloc[-1] if len(own) else pd.NaT
        hours = (row.time - joined).total_seconds() / 3600
        expected.append(np.log1p(hours) if hours >= 0 else np.nan)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(frozen["member_age"], expected, rtol=1e-5)


def test_an_age_of_a_view_of_behavior_is_missing_in_a_twin(tmp_path: Path) -> None:
    found = retrieved(tmp_path, behavior=True)
    assert found[COLD]["post_age"].null_count == len(found[COLD]) > of_twins(found)["post_age"].null_count
    assert found[COLD]["member_age"].equals(of_twins(found)["member_age"])


def test_an_age_is_of_the_version_strictly_before(tmp_path: Path) -> None:
    """Derived anew from the posts' table: the last version before the impression says when it was published."""
    world = open_timed(tmp_path, timed_spec(), seed=1)
    shown = pq.read_table(world.tables / "impressions.parquet")
    posts = pq.read_table(world.tables / "posts.parquet").to_pylist()
    since: list[int] = []
    times = shown["time"].cast(pa.int64()).to_numpy()
    for post, time in zip(shown["post_id"].to_pylist(), shown["time"].to_pylist(), strict=True):
        versions = [one for one in posts if one["post_id"] == post and one["valid_from"] < time]
        last: Any = max(versions, key=lambda one: one["valid_from"])["published"] if versions else None
        since.append(UNKNOWN if last is None else pa.scalar(last, pa.timestamp("us", "UTC")).value)
    never = np.full(len(times), UNKNOWN)
    expected = derive_time_features(world.spec, times, {"published": np.array(since), "joined": never})["post_age"]
    found = features_of(world.store, world.spec, shown)["post_age"].to_numpy()
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).sum() > 10


def test_no_rows(tmp_path: Path) -> None:
    world = open_timed(tmp_path, timed_spec())
    none = pq.read_table(world.tables / "impressions.parquet").slice(0, 0)
    found = features_of(world.store, world.spec, none)
    assert [len(found[name]) for name in TIMED] == [0] * len(TIMED)
    assert found.schema.field("post_age").type == pa.float32()
    assert found.schema.field("hour").type == pa.string()


def test_a_spec_without_them_is_as_before(tmp_path: Path) -> None:
    world = open_timed(tmp_path, timed_spec(time_features={}, nodes=tiny.DOCUMENT["nodes"]))
    rows = pq.read_table(world.tables / "impressions.parquet").slice(0, 5)
    assert set(features_of(world.store, world.spec, rows).column_names).isdisjoint(TIMED)


def test_versions_of_nodes_do_not_have_the_times(tmp_path: Path) -> None:
    world = open_timed(tmp_path, timed_spec())
    retrieve(world.store, world.spec, world.tables, tmp_path / "training")
    for node in ("post", "member"):
        names = pq.read_schema(tmp_path / "training" / f"versions_{node}.parquet").names
        assert set(names).isdisjoint({"published", "joined"})
