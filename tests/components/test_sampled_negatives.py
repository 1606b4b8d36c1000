"""A log of positives only, from ingest to a slate."""

from pathlib import Path

import pytest
import torch

from models.configs.model import ModelConfig
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training.artifact import Model, load_model, save_model
from models.training.cold import fit_calibration
from models.training.labels import known
from models.training.predict import predict, score_rows
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
from tests.feature_repo.negatives.logs import product_spec
from tests.feature_repo.negatives.product import SAMPLING, made
from tests.serving.ranking.test_service import NoReader


def calibrated_model(graph: TemporalGraph) -> Model:
    """A model that has learned nothing, calibrated as one that has."""
    torch.manual_seed(0)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    ranker = Ranker(ModelConfig(width=8, heads=2, activities=2, layers=1), graph.schema, encoding).eval()
    rows = known(graph, ("validate",), twins=True)
    logits = score_rows(ranker, encode_graph(encoding, graph.schema, graph), rows)
    return Model(ranker, encoding, graph.schema, fit_calibration(graph, rows, logits), {})


def test_a_model_of_it_serves_the_real_rate_and_is_judged_on_the_sampled_one(tmp_path: Path) -> None:
    sampled = made(tmp_path / "product", product_spec(SAMPLING))
    graph, spec = sampled.graph, sampled.spec
    tables, training_set = sampled.folder / "tables", sampled.folder / "training"
    save_model(calibrated_model(graph), model := tmp_path / "model")
    out = evaluate(spec, sampled.folder / "graph", training_set, tables, model, None, tmp_path / "evaluation")
    assert out["test"]["candidate"]["click"]["ece"] < 0.1
    judged = judge_folder(spec, tmp_path / "evaluation")
    assert 0.4 < judged.metrics["tasks"]["click"]["ratio"]["value"] < 2.5  # at the real rate it would be 0.08
    on_seeds = predict(load_model(model), graph, graph.seeds.rows("test"))[:, 0]
    assert on_seeds.mean() == pytest.approx(0.25, abs=0.1)
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
