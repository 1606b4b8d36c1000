"""What the graph gathers on the device as of a moment is what Feast retrieves for that moment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from feature_repo.retrieve import retrieve
from models.features import node_features
from models.graph.build import build_graph
from models.graph.sample import as_of_version
from models.graph.store import TemporalGraph
from models.graph.text import bag_of_words
from models.spec import Spec
from models.time_units import DAY
from tests.feature_repo import tiny


class Product(NamedTuple):
    spec: Spec
    store: Any
    graph: TemporalGraph


def product(spec: Spec, tables: Path, folder: Path) -> Product:
    store = tiny.store_of(spec, folder / "state")
    tiny.apply_tables(store, spec, tables, folder / "state")
    retrieve(store, spec, tables, folder / "training")
    build_graph(spec, tables, folder / "training", folder / "graph")
    return Product(spec, store, TemporalGraph.load(folder / "graph"))


@pytest.fixture(scope="module")
def network(tiny_spec: Spec, tiny_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The tiny professional network: thousands of versions of every node type."""
    return product(tiny_spec, tiny_tables, tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A few members and posts: numbers, nulls, text, created times, and a view with a TTL of three days."""
    folder = tmp_path_factory.mktemp("posts")
    spec = tiny.tiny_spec()
    tables = tiny.tables(spec, folder / "tables")
    likes = {"member_id": [1, 2], "post_id": ["p1", "p2"], "time": pd.to_datetime([tiny.START] * 2)}
    tiny.write(tables, "likes", pd.DataFrame(likes))
    return product(spec, tables, folder)


def queries(graph: TemporalGraph, node: str, count: int = 250) -> tuple[torch.Tensor, torch.Tensor]:
    """Random nodes at random moments, half of them at a version's own time, just beside it, or at an expiry."""
    random, tensors = np.random.default_rng(0), graph.nodes[node]
    row = torch.from_numpy(random.integers(0, len(tensors.version_time), count))
    owner = torch.repeat_interleave(tensors.version_offsets.diff())[row]
    shift = torch.from_numpy(random.choice([-1, 0, 1, 2, 3 * DAY, 3 * DAY + 1, 3 * DAY + 2], count))
    first, last = int(tensors.version_time.min()) - DAY, int(tensors.version_time.max()) + 5 * DAY
    any_node = torch.from_numpy(random.integers(0, graph.schema.node(node).count, count))
    any_time = torch.from_numpy(random.integers(first, last, count))
    return torch.cat([owner, any_node]), torch.cat([tensors.version_time[row] + shift, any_time])


def retrieved(world: Product, node: str, index: torch.Tensor, time: torch.Tensor) -> dict[str, pa.ChunkedArray]:
    """Feast's own result a microsecond before each moment: its bound is inclusive."""
    key = world.spec.nodes[node].key
    entities = pd.DataFrame({key: world.graph.keys(node).take(pa.array(index.numpy())).to_pandas()})
    entities["event_timestamp"] = pd.to_datetime(time.numpy() - 1, unit="us", utc=True).as_unit("us")
    entities["row"] = np.arange(len(entities))
    columns: dict[str, pa.ChunkedArray] = {}
    for name, view in world.spec.nodes[node].views.items():
        features = [f"{name}:{feature.name}" for feature in view.typed]
        result = world.store.get_historical_features(entity_df=entities, features=features).to_arrow().sort_by("row")
        columns |= {feature.name: result[feature.name] for feature in view.typed}
    return columns


def gathered(world: Product, node: str, index: torch.Tensor, time: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Each feature's values as the device gathers them; NaN, 0 or zeros where there is no version."""
    tensors, columns = world.graph.nodes[node], world.graph.schema.node(node).features
    row = as_of_version(tensors, index, time)
    places = {"number": 0, "category": 0, "vector": 0}
    for column in columns:
        kind, place = column.kind, places[column.kind]
        places[kind] += column.size
        table, missing = {
            "number": (tensors.numbers, torch.nan),
            "category": (tensors.categories, 0),
            "vector": (tensors.vectors, 0.0),
        }[kind]
        values = table[row.clamp(min=0), place : place + column.size]
        yield column.name, torch.where((row >= 0).unsqueeze(1), values, missing)


@pytest.mark.parametrize("name", ["network", "posts"])
def test_features_gathered_on_the_device_are_those_that_feast_retrieves(
    name: str, request: pytest.FixtureRequest
) -> None:
    world: Product = request.getfixturevalue(name)
    missing = present = 0
    for node in [node for node in world.spec.nodes if world.spec.nodes[node].views]:
        index, time = queries(world.graph, node)
        assert (time.unsqueeze(1) == world.graph.nodes[node].version_time).any()
        expected, kinds = retrieved(world, node, index, time), {f.name: f for f in node_features(world.spec, node)}
        for feature, found in gathered(world, node, index, time):
            values, kind = expected[feature], kinds[feature].kind
            if kind == "number":
                numbers = values.cast(pa.float32()).to_numpy()
                np.testing.assert_array_equal(found[:, 0].numpy(), numbers)
            elif kind == "category":
                column = next(c for c in world.graph.schema.node(node).features if c.name == feature)
                named = [None if code == 0 else column.vocabulary[code - 1] for code in found[:, 0].tolist()]
                assert named == values.to_pylist()
            elif kind == "text":
                np.testing.assert_array_equal(found.numpy(), bag_of_words(values.cast(pa.string())))
            else:
                zeros = [0.0] * found.shape[1]
                vectors = [zeros if vector is None else vector for vector in values.to_pylist()]
                np.testing.assert_array_equal(found.numpy(), np.array(vectors, np.float32))
            missing, present = missing + values.null_count, present + len(values) - values.null_count
    assert missing > 100
    assert present > 1000
