"""The columns of cold twins: those of an item of the same content that was never shown."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.cold import drawn
from feature_repo.retrieve import features_of, retrieve
from models.features import counter_columns, training_columns
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world

VIEWS = {
    "post_content": {"table": "posts", "features": {"topic": "category", "title": "text"}},
    "post_past": {"table": "posts", "behavior": True, "features": {"embedding": "vector[3]"}},
}
COUNTERS = {
    "member_counts": {"keys": ["member"], "recency": True},
    "post_counts": {"keys": ["item"], "recency": True},
    "pair_counts": {"keys": ["member", "item"]},
    "topic_counts": {"keys": ["topic"]},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """A world in which every row that can have a twin has one, and its training set."""
    folder = tmp_path_factory.mktemp("cold")
    nodes = {**tiny.DOCUMENT["nodes"], "post": {**tiny.DOCUMENT["nodes"]["post"], "views": VIEWS}}
    world = open_world(folder, nodes=nodes, counters=COUNTERS, training={"cold_share": 0.999})
    retrieve(world.store, world.spec, world.tables, folder / "training")
    return world, folder / "training"


def _read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet").set_index("impression_id")


def test_first_exposures_of_train_and_validate_have_a_twin(made: tuple[World, Path]) -> None:
    world, folder = made
    shown, twins = _read(folder, "impressions"), _read(folder, "cold")
    everything = pd.read_parquet(world.tables / "impressions.parquet").sort_values("time")
    first = everything.groupby(["member", "post_id"])["time"].transform("min") == everything["time"]
    first = set(everything.loc[first, "impression_id"])
    expected = [key for key, row in shown.iterrows() if row["window"] in ("train", "validate") and key in first]
    assert 0 < len(expected) < len(shown)
    assert twins.index.tolist() == expected
    assert list(twins.columns) == list(shown.columns)
    assert _read(folder, "cold_frozen").index.tolist() == expected
    same = ["member", "post_id", "time", "click", "place", "device", "window"]
    pd.testing.assert_frame_equal(twins[same], shown.loc[twins.index, same])


def test_a_twin_has_the_columns_of_an_item_of_the_same_content_that_was_never_shown(made: tuple[World, Path]) -> None:
    """By hand: the item's own counters and views of behavior are those of a key that nobody has ever seen."""
    world, folder = made
    table, own = pq.read_table(folder / "cold.parquet"), counter_columns(world.spec, "post_counts")
    own += counter_columns(world.spec, "pair_counts")
    place = table.schema.get_field_index("post_id")
    names = [feature.name for feature in training_columns(world.spec)]
    fresh = table.drop_columns(names).set_column(place, "post_id", pa.array(["new"] * len(table)))
    unseen, twins = features_of(world.store, world.spec, fresh).to_pandas(), table.to_pandas()
    pd.testing.assert_frame_equal(twins[[*own, "embedding"]], unseen[[*own, "embedding"]])
    assert (twins["post_counts_exposures"] == 0).all()
    assert twins["post_counts_recency"].isna().all()
    assert twins["embedding"].isna().all()
    kept = _read(folder, "impressions").loc[twins["impression_id"]].reset_index()
    others = [name for name in names if name not in (*own, "embedding")]
    pd.testing.assert_frame_equal(twins[others], kept[others])
    assert (kept["post_counts_exposures"] > 0).any()


def test_a_frozen_twin_keeps_the_members_frozen_state(made: tuple[World, Path]) -> None:
    _, folder = made
    twins, frozen = _read(folder, "cold_frozen"), _read(folder, "frozen")
    member = ["frozen_time", "seniority", "streak", "member_counts_click_rate"]
    pd.testing.assert_frame_equal(twins[member], frozen.loc[twins.index, member])
    assert (twins["post_counts_exposures"] == 0).all()


def test_the_share_is_drawn_by_key_and_no_share_draws_none(made: tuple[World, Path], tmp_path: Path) -> None:
    world, folder = made
    rows = pq.read_table(folder / "impressions.parquet")
    training = world.spec.training
    counts = []
    for share in (0.0, 0.3, 0.6):
        spec = world.spec.model_copy(update={"training": type(training)(cold_share=share)})
        chosen = drawn(spec, world.tables, rows, "item").to_pylist()
        assert chosen == drawn(spec, world.tables, rows.slice(0), "item").to_pylist()
        counts.append({key for key, one in zip(rows["impression_id"].to_pylist(), chosen, strict=True) if one})
    assert not counts[0]
    assert counts[1] < counts[2]
    plain = world.spec.model_copy(update={"training": type(training)()})
    retrieve(world.store, plain, world.tables, tmp_path / "plain")
    assert not list((tmp_path / "plain").glob("cold*"))
    assert pq.read_table(tmp_path / "plain" / "impressions.parquet") == rows
