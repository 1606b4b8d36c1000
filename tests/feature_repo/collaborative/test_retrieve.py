"""Collaborative columns of the training set against the formulas by hand."""

import pandas as pd
import pytest

from feature_repo.retrieve import retrieve
from models.features import collaborative_columns
from models.time_units import HOUR
from tests.feature_repo.collaborative import world as worlds
from tests.feature_repo.conftest import World

DELAY = 3 * HOUR


@pytest.fixture(scope="module")
def retrieved(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("retrieved")
    world = worlds.open_world(folder, worlds.spec_of())
    retrieve(world.store, world.spec, world.tables, folder / "training")
    return world, *(pd.read_parquet(folder / "training" / f"{name}.parquet") for name in ("impressions", "frozen"))


def test_smoke(retrieved) -> None:
    world, rows, frozen = retrieved
    print(rows[["time", "member", "post_id", *collaborative_columns(world.spec)]].describe().T.to_string())
    print(frozen[collaborative_columns(world.spec)].describe().T.to_string())
