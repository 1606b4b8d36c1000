"""A product with sampled negatives: what ingest writes, the training set, the graph, a model of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.retrieve import features_of
from feature_repo.sources import read_manifest
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.columns import SAMPLED, SEEDS
from models.features import training_columns
from models.spec import SpecError
from tests.feature_repo.negatives.logs import COLUMNS, product_spec, tasteful_log
from tests.feature_repo.negatives.product import SAMPLING, Product, made
from tests.feature_repo.negatives.test_seeds import LIVES
from tests.feature_repo.sources.fakes import install_adapter


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return made(tmp_path_factory.mktemp("plain"), product_spec(None))


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return made(tmp_path_factory.mktemp("sampled"), product_spec(SAMPLING, training={"cold_share": 0.3}))


def test_nothing_but_the_seeds_is_another_table_or_edge(plain: Product, sampled: Product) -> None:
    before, after = (read_manifest(product.folder / "tables")["tables"] for product in (plain, sampled))
    assert {name: part for name, part in after.items() if name != SEEDS} == before
    assert {"counter_by_pair", "collaborative_readers_item"} < set(before)
    without, whole = plain.graph, sampled.graph
    assert without.keys("article").equals(whole.keys("article"))
    for name, edges in without.edges.items():
        for part, values in vars(edges).items():
            assert part == "timeline" or np.array_equal(values, vars(whole.edges[name])[part], equal_nan=True)


def test_the_features_of_a_sampled_row_are_those_of_any_row(sampled: Product) -> None:
    """By hand: the same keys and times, asked for as rows that no table has."""
    table = pq.read_table(sampled.folder / "training" / "impressions.parquet")
    rows = table.filter(pa.compute.equal(table[SAMPLED], 1))
    names = [feature.name for feature in training_columns(sampled.spec)]
    asked = features_of(sampled.store, sampled.spec, rows.drop_columns(names))
    pd.testing.assert_frame_equal(rows.select(names).to_pandas(), asked.select(names).to_pandas())
    log = tasteful_log()["impressions"]
    for row in rows.to_pylist()[::200]:
        before = log[(log["item_id"] == row["item_id"]) & (log["time"] < row["time"])]
        assert row["by_item_exposures"] == len(before) > 0


def test_seeds_of_both_kinds(sampled: Product) -> None:
    seeds, frame = sampled.graph.seeds, pd.read_parquet(sampled.folder / "training" / "impressions.parquet")
    real = frame[frame[SAMPLED] == 0]
    assert len(frame) == 4 * len(real)
    assert real["click"].eq(1).all()
    assert frame["click"].sum() == len(real)
    assert frame.loc[frame[SAMPLED] == 1, "engaged"].isna().all()
    click, engage = seeds.labels[~seeds.cold].T
    assert (float(click.mean()), int(engage.isnan().sum())) == (0.25, 3 * len(real))
    twins = seeds.labels[seeds.cold][:, 0]
    assert 0.1 < float(twins.mean()) < 0.5  # a twin of either kind
    (task,) = sampled.graph.schema.seeds.sampled
    assert (task.name, task.real_rate) == ("click", 0.02)


def test_a_table_of_that_name_is_refused_where_there_are_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = {**tasteful_log(100), SEEDS: pd.DataFrame({"item_id": [1]})}
    install_adapter(monkeypatch, lambda spec, data: tables, {**COLUMNS, SEEDS: ("item_id",)})
    with pytest.raises(SourceError, match="table 'seeds': expected a name that no table of ours has"):
        ingest(product_spec(SAMPLING), None, tmp_path / "tables")
    ingest(product_spec(None), None, tmp_path / "tables")


def test_a_table_of_lives_that_no_adapter_has_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_adapter(monkeypatch, lambda spec, data: tasteful_log(100), COLUMNS)
    for alive, words in (
        ({"table": "posts", "start": "published"}, "alive.table"),
        ({**LIVES, "end": "x"}, "alive.end"),
    ):
        with pytest.raises(SpecError, match=words):
            ingest(product_spec({"alive": alive}), None, tmp_path / "tables")


def test_a_log_with_negatives_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = tasteful_log(100)
    tables["impressions"].loc[5, "click"] = 0
    install_adapter(monkeypatch, lambda spec, data: tables, COLUMNS)
    with pytest.raises(SourceError, match="the log has its own negatives"):
        ingest(product_spec(SAMPLING), None, tmp_path / "tables")
    assert not list(tmp_path.iterdir())
