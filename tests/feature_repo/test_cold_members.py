"""The columns of twins whose member is read as new: those of a member that nothing knows, with the row's item."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from feature_repo.retrieve import features_of, retrieve
from models.features import training_columns
from tests.feature_repo.cold_members import PROFILE, TABLES, UNKNOWN, open_members, spec_of
from tests.feature_repo.conftest import World

MEMBER_COLUMNS = ("member_counts", "member_surface_counts", "pair_counts", "watched", "seniority", "country", "streak")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """A world with twins on both sides, and its training set."""
    folder = tmp_path_factory.mktemp("cold")
    world = open_members(folder, {"cold_share": 0.3, "cold_member_share": 0.6})
    retrieve(world.store, world.spec, world.tables, folder / "training")
    return world, folder / "training"


def _read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet").set_index("impression_id")


def test_a_twin_has_the_columns_of_a_member_that_nothing_knows_and_half_keep_their_profile(
    made: tuple[World, Path],
) -> None:
    world, folder = made
    names = [feature.name for feature in training_columns(world.spec)]
    shown = _read(folder, "impressions")
    twins = pq.read_table(folder / "cold_member.parquet")
    place = twins.schema.get_field_index("member")
    fresh = twins.drop_columns(names).set_column(place, "member", pa.array([UNKNOWN] * len(twins)))
    unseen = features_of(world.store, world.spec, fresh).to_pandas().set_index("impression_id")
    found = twins.to_pandas().set_index("impression_id")
    own = [name for name in names if name.startswith(MEMBER_COLUMNS) and name not in PROFILE]
    pd.testing.assert_frame_equal(found[own], unseen[own])
    others = [name for name in names if name not in own and name not in PROFILE]
    pd.testing.assert_frame_equal(found[others], shown.loc[found.index, others])
    nobody = ~found["member"].isin(shown["member"])
    assert nobody.any()
    assert not nobody.all()
    assert found.loc[nobody, PROFILE].isna().all(axis=None)
    assert (found.loc[~nobody, "member"] == shown.loc[found.index[~nobody], "member"]).all()
    pd.testing.assert_frame_equal(found.loc[~nobody, PROFILE], shown.loc[found.index[~nobody], PROFILE])
    assert found.loc[~nobody, PROFILE].notna().any(axis=None)
    assert shown.loc[found.index, own].notna().any().sum() > found[own].notna().any().sum()


def test_a_frozen_twin_is_as_new_as_a_fresh_one(made: tuple[World, Path]) -> None:
    _, folder = made
    twins, frozen, own = (_read(folder, name) for name in ("cold_member", "cold_member_frozen", "frozen"))
    assert list(frozen.columns) == list(own.columns)
    pd.testing.assert_series_equal(frozen["frozen_time"], own.loc[frozen.index, "frozen_time"])
    # A rate without a row of its own is the rate over all, which is as of the frozen time.
    columns = [name for name in twins.columns if name.startswith(("member_", "pair_", "streak")) and "rate" not in name]
    pd.testing.assert_frame_equal(frozen[columns], twins[columns])


def test_a_twin_is_cold_on_one_side_and_rows_and_other_twins_stay_as_they_are(
    made: tuple[World, Path], tmp_path: Path
) -> None:
    _, folder = made
    items, members = _read(folder, "cold").index, _read(folder, "cold_member").index
    assert len(items) > 5
    assert len(members) > 5
    assert not set(items) & set(members)
    plain = open_members(tmp_path, {"cold_share": 0.3})
    retrieve(plain.store, plain.spec, plain.tables, tmp_path / "training")
    assert not list((tmp_path / "training").glob("cold_member*"))
    for name in ("impressions", "frozen", "cold", "cold_frozen"):
        assert (folder / f"{name}.parquet").read_bytes() == (tmp_path / "training" / f"{name}.parquet").read_bytes()


def test_only_first_exposures_of_train_and_validate_have_a_twin(made: tuple[World, Path]) -> None:
    world, folder = made
    everything = pd.read_parquet(world.tables / "impressions.parquet")
    first = everything.groupby(["member", "post_id"])["time"].transform("min") == everything["time"]
    twins = _read(folder, "cold_member")
    assert set(twins.index) <= set(everything.loc[first, "impression_id"])
    assert set(twins["window"]) == {"train", "validate"}


def test_without_rows_there_are_no_twins(made: tuple[World, Path], tmp_path: Path) -> None:
    world, folder = made
    rows = pq.read_table(folder / "impressions.parquet")
    training = type(world.spec.training)(cold_member_share=1e-9)
    spec = world.spec.model_copy(update={"training": training})
    retrieve(world.store, spec, world.tables, tmp_path / "training")
    assert sorted(path.stem for path in (tmp_path / "training").glob("cold*")) == ["cold_member", "cold_member_frozen"]
    assert pq.read_metadata(tmp_path / "training" / "cold_member.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "training" / "impressions.parquet") == rows
    assert not pc.any(pc.is_null(rows["member"])).as_py()
    assert np.isin(TABLES, [path.stem for path in folder.glob("*.parquet")]).all()
    assert spec_of({}).training.cold_member_share == 0.0
