"""Parity of training and serving: test impressions, replayed as requests, get the probabilities of the evaluation.

A small simulated network, as its spec has it, and with context of candidates and clocks as features. The events before
an impression go into an empty online store (counters materialized, vectors embedded and pushed), and the impression is
sent as a request of its time.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.served_world import ROOT, build
from models.graph.store import TemporalGraph
from models.nn.semantic import HierarchicalEmbedding
from models.training.artifact import load_model
from models.training.predict import predict
from tests.feature_repo.redis_server import running_redis
from tests.serving.replay import VECTOR_AGE, Product

SPEC = ROOT / "configs" / "professional.yaml"


def with_candidates(folder: Path) -> Path:
    """The same product, whose channel differs by candidate, and with the clock."""
    document = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    document["impressions"]["candidate_context"] = document["impressions"].pop("context")
    document["time_features"] = {"hour": {"clock": "hour"}, "weekday": {"clock": "weekday"}}
    path = folder / "candidates.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def of_sequence(folder: Path) -> Path:
    """The same product with a ranker of the other family."""
    document = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    document["model"] = {"family": "sequence", "impressions": 12, "layers": 2}
    document["training"]["slice"] = 1  # slices are of the other family
    path = folder / "sequence.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def with_codes(folder: Path) -> Path:
    """The same product, whose members have semantic IDs of what they did in the feed."""
    document = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    block = {"node": "member", "events": ["reacted", "read"], "vector": "post_vector", "codes": 8, "levels": 2}
    document["semantic_ids"] = {"interests": block}
    path = folder / "codes.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["context", "candidates", "codes", "sequence"])
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("parity")
    written = {"context": lambda _: SPEC, "candidates": with_candidates, "codes": with_codes, "sequence": of_sequence}
    spec_file = written[request.param](folder)
    with running_redis() as redis:
        world = build(folder, redis, spec_file, trees=30)
        graph, model = TemporalGraph.load(folder / "graph"), load_model(folder / "model")
        assert model.trees is not None
        yield Product(folder, world.spec, world.name, world.version, graph, model)


def test_codes_change_the_probabilities_where_the_spec_has_them(product: Product) -> None:
    rows = product.graph.seeds.rows("test")[-20:]
    before = predict(product.model, product.graph, rows, lag=VECTOR_AGE)
    found = [one for one in product.model.ranker.modules() if isinstance(one, HierarchicalEmbedding)]
    tables = [table for embedding in found for table in embedding.parameters()]
    kept = [table.detach().clone() for table in tables]
    for table in tables:
        table.data.zero_()
    after = predict(product.model, product.graph, rows, lag=VECTOR_AGE)
    for table, values in zip(tables, kept, strict=True):
        table.data.copy_(values)
    assert np.array_equal(before, after) != bool(product.spec.semantic_ids)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_replayed_test_impression_gets_its_evaluated_probabilities(product: Product, place: float) -> None:
    rows = product.graph.seeds.rows("test")
    row = rows[int(place * len(rows))]
    product.rewind_to(int(product.graph.seeds.time[row]))
    expected = predict(product.model, product.graph, row.view(1), lag=VECTOR_AGE)[0]
    others = range(len(product.graph.keys(product.graph.schema.seeds.item)))
    alone, crowd = product.predict(product.instance(int(row)), product.instance(int(row), others))
    assert not alone["member_cold"]
    assert not alone["fallback"]
    item = product.instance(int(row))["items"][0]
    for prediction in (alone, crowd):
        found = next(each for each in prediction["slate"] if each["item"] == item)
        np.testing.assert_allclose(list(found["probabilities"].values()), expected, rtol=0, atol=1e-6)
    assert len({each["probabilities"]["click"] for each in crowd["slate"]}) > 10
