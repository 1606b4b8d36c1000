"""Training's evaluation and serving are one function: test impressions, asked again of the product that serves.

The simulated network, small. What happened before an impression's moment goes into an empty online store (counters
materialised, vectors embedded and pushed), the impression is asked as a request of that moment, and what is answered is
what training's evaluation says of the row.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.served_world import build
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.predict import predict
from tests.feature_repo.redis_server import running_redis
from tests.serving.replay import LATER, Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("parity")
    with running_redis() as redis:
        world = build(folder, redis)
        graph, model = TemporalGraph.load(folder / "graph"), load_model(folder / "model")
        yield Product(folder, world.spec, world.name, world.version, graph, model)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_test_impression_asked_again_is_answered_as_it_was_evaluated(product: Product, place: float) -> None:
    rows = product.graph.seeds.rows("test")
    row = rows[int(place * len(rows))]
    product.go_back(int(product.graph.seeds.time[row]))
    expected = predict(product.model, product.graph, row.view(1), lag=LATER)[0]
    others = range(len(product.graph.keys(product.graph.schema.seeds.item)))
    alone, crowd = product.ask(product.instance(int(row)), product.instance(int(row), others))
    assert not alone["member_cold"]
    assert not alone["fallback"]
    item = product.instance(int(row))["items"][0]
    for answered in (alone, crowd):
        found = next(each for each in answered["slate"] if each["item"] == item)
        np.testing.assert_allclose(list(found["probabilities"].values()), expected, rtol=0, atol=1e-6)
    assert len({each["probabilities"]["click"] for each in crowd["slate"]}) > 10
