"""Training's evaluation and serving are one function: test impressions, asked again of the product that serves.

The simulated network, small. What happened before an impression's moment goes into an empty online store (counters
materialised, vectors embedded and pushed), the impression is asked as a request of that moment, and what is answered is
what training's evaluation says of the row.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from benchmarks.served_world import ServedWorld, build
from feature_repo.materialise import materialize
from feature_repo.push import push
from feature_repo.store import open_store
from models.graph.store import TemporalGraph
from models.training.artifact import Model, load_model
from models.training.embed import embed
from models.training.predict import predict
from serving.loading import load
from serving.settings import Settings
from tests.feature_repo.redis_server import running_redis

LATER = 1
"""Vectors hold from their moment on, and a request sees what is strictly before its own: they are 1 us older."""


@dataclass(frozen=True)
class Product:
    """A registered model, the graph that it is evaluated on, and an online store whose content is made anew."""

    world: ServedWorld
    folder: Path
    redis: str
    graph: TemporalGraph
    model: Model

    def go_back(self, moment: int) -> None:
        """The online store as it was for a request of that moment."""
        host, port = self.redis.split(":")
        Redis(host, int(port)).flushall()
        world, vectors = self.world, self.folder / "vectors_then"
        store = open_store(world.store_config, world.state)
        materialize(store, world.spec, moment)
        embed(self.model, self.graph, moment - LATER, vectors)
        push(store, world.spec, vectors, world.version, world.state)

    def instance(self, row: int, further: Sequence[int] = ()) -> dict[str, Any]:
        """A seed as an instance of the v1 protocol; ``further``: items beside its own, by index."""
        seeds, schema = self.graph.seeds, self.graph.schema.seeds
        members, items = self.graph.keys(schema.member).to_pylist(), self.graph.keys(schema.item).to_pylist()
        context = {"surface": schema.surfaces[int(seeds.surface[row])], "time": iso(int(seeds.time[row]))}
        for place, feature in enumerate(f for f in schema.features if f.kind == "category"):
            if code := int(seeds.categories[row, place]):
                context[feature.name] = feature.vocabulary[code - 1]
        shown = [int(seeds.item[row]), *(item for item in further if item != int(seeds.item[row]))]
        return {
            "member": members[int(seeds.member[row])],
            "items": [items[item] for item in shown],
            "context": context,
        }

    def ask(self, instance: dict[str, Any]) -> dict[str, Any]:
        """The prediction, by everything that answers but the protocol's server."""
        settings = Settings(
            name=self.world.name,
            version=self.world.version,
            bundle=str(self.folder / "bundle"),
            store_config=str(self.world.store_config),
            served=str(self.folder / "served"),
            port=0,
            grpc_port=0,
        )

        async def answer() -> dict[str, Any]:
            answering = load(replace(settings, limits=replace(settings.limits, store_seconds=20.0)))
            try:
                return (await answering.document({"instances": [instance]}))["predictions"][0]
            finally:
                answering.close()

        return asyncio.run(answer())


def iso(moment: int) -> str:
    return datetime.fromtimestamp(moment // 1_000_000, UTC).replace(microsecond=moment % 1_000_000).isoformat()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("parity")
    with running_redis() as redis:
        world = build(folder, redis)
        yield Product(world, folder, redis, TemporalGraph.load(folder / "graph"), load_model(folder / "model"))


@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_test_impression_asked_again_is_answered_as_it_was_evaluated(product: Product, place: float) -> None:
    rows = product.graph.seeds.rows("test")
    row = rows[int(place * len(rows))]
    product.go_back(int(product.graph.seeds.time[row]))
    expected = predict(product.model, product.graph, row.view(1), lag=LATER)[0]
    alone = product.ask(product.instance(int(row)))
    assert not alone["member_cold"]
    assert not alone["fallback"]
    others = range(len(product.world.items))
    crowd = product.ask(product.instance(int(row), others))
    item = product.instance(int(row))["items"][0]
    for answered in (alone, crowd):
        found = next(each for each in answered["slate"] if each["item"] == item)
        np.testing.assert_allclose(list(found["probabilities"].values()), expected, rtol=0, atol=1e-6)
    assert len({each["probabilities"]["click"] for each in crowd["slate"]}) > 10
