"""A product with sampled negatives: what ingest writes, the training set, the graph, a model of it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.retrieve import features_of, retrieve
from feature_repo.sources import read_manifest
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.boosting.fit import add_trees
from models.columns import SAMPLED, SEEDS
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.features import training_columns
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.spec import Spec, SpecError
from models.training.artifact import load_model
from models.training.fit import fit
from models.training.predict import predict
from monitoring.evaluation import evaluate
from monitoring.gate import judge_folder
from monitoring.profiles import build_profile
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import RankingRequest
from serving.ranking.scorer import Scorer
from serving.ranking.service import RankingService
from serving.ranking.slate import SlateIds
from serving.versions.bundle import write_bundle
from serving.versions.prior import Prior
from tests.feature_repo import tiny
from tests.feature_repo.negatives.logs import COLUMNS, product_spec, tasteful_log
from tests.feature_repo.negatives.test_seeds import LIVES
from tests.feature_repo.sources.fakes import install_adapter
from tests.serving.ranking.test_service import NoReader

SAMPLING = {"per_positive": 3, "real_rate": {"click": 0.02}}


class Product(NamedTuple):
    spec: Spec
    store: object
    folder: Path

    @property
    def graph(self) -> TemporalGraph:
        return TemporalGraph.load(self.folder / "graph")


def made(folder: Path, spec: Spec) -> Product:
    with pytest.MonkeyPatch.context() as patch:
        install_adapter(patch, lambda spec, data: tasteful_log(), COLUMNS)
        ingest(spec, None, folder / "tables")
    store = tiny.store_of(spec, folder / "state")
    tiny.apply_tables(store, spec, folder / "tables", folder / "state")
    retrieve(store, spec, folder / "tables", folder / "training")
    build_graph(spec, folder / "tables", folder / "training", folder / "graph")
    return Product(spec, store, folder)


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


def test_a_model_of_it_serves_the_real_rate_and_is_judged_on_the_sampled_one(sampled: Product, tmp_path: Path) -> None:
    graph, spec = sampled.graph, sampled.spec
    tables, training_set = sampled.folder / "tables", sampled.folder / "training"
    config, sizes = TrainingConfig(epochs=1, batch_size=256, learning_rate=0.01), ModelConfig(width=8, heads=2)
    fit(graph, sizes, config, tmp_path / "net", device="cpu")
    add_trees(graph, tmp_path / "net", sizes, model := tmp_path / "model")
    out = evaluate(spec, sampled.folder / "graph", training_set, tables, model, None, tmp_path / "evaluation")
    assert out["test"]["candidate"]["click"]["ece"] < 0.1
    judged = judge_folder(spec, tmp_path / "evaluation")
    assert 0.8 < judged.metrics["tasks"]["click"]["ratio"]["value"] < 1.25
    on_seeds = predict(load_model(model), graph, graph.seeds.rows("test"))[:, 0]
    assert on_seeds.mean() == pytest.approx(0.25, abs=0.06)
    profile = build_profile(spec, training_set, tmp_path / "evaluation").to_json()
    assert (profile["labels"]["click"], profile["predictions"]["click"]) == ({}, {})
    assert profile["labels"]["engage"]
    prior = Prior.fit(spec, training_set)
    write_bundle(model, spec, {}, {}, tmp_path / "bundle", prior, None, profile)
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "corrected to the given share of positives: `click` to 0.02" in card
    service = RankingService(spec, Scorer(tmp_path / "bundle"), NoReader(), "1", prior)
    items = tuple(graph.keys("article").to_pylist()[:20])
    request = RankingRequest(1, items, "feed", spec.span("test").end, {"place": 0.5})
    online = OnlineFeatures.nothing(20)
    inputs = service.inputs(request, online)
    slate = service.slate(SlateIds("mine", "call"), request, online, inputs, service.scorer.logits(inputs))
    assert slate.relative == ()
    assert 0.001 < slate.probabilities["click"].mean() < 0.1
    assert service.popular(SlateIds("mine", "call"), request).probabilities["click"].mean() < 0.05
