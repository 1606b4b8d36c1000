"""A tiny product that can be served: a random model in a real registry, vectors and counters in a real Feast store."""

import shutil
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feature_repo.materialise import materialize
from feature_repo.push import push
from feature_repo.store import open_store, project_of, write_resolved
from models.addresses import sqlite_address
from models.calibration import Calibration, Platt
from models.configs.model import ModelConfig
from models.counters import state_columns
from models.features import counter_table, impression_features
from models.graph.fakes import fake_graph
from models.graph.schema import FeatureColumn
from models.graph.store import TemporalGraph
from models.nn.build import build_ranker
from models.nn.encoding import Encoding
from models.spec import Spec
from models.spec.counter_plans import counter_plan, counter_plans
from models.time_units import DAY, moment
from models.training.artifact import Model, save_model
from models.training.embed import embed
from models.training.encoder import encoder_in
from serving.versions.bundle import write_bundle
from serving.versions.prior import Prior
from serving.versions.registry import Registry, model_name
from tests.factories import specs
from tests.feature_repo.tiny import apply_tables

CONFIG = Path(__file__).resolve().parents[2] / "feature_repo" / "feature_store.yaml"
DOCUMENT = specs.document(
    name="tiny_world",
    timezone="Africa/Cairo",
    source={"adapter": "professional"},
    nodes={
        "member": {"key": "member_id"},
        "item": {"key": "item_id"},
        "creator": {"key": "creator_id", "key_type": "string"},
    },
    edges={"clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM, domain="notification")},
    impressions=specs.impressions(
        surfaces=["email", "push"],
        context={"place": "number", "device": "category"},
        outcomes=["click", "dwell"],
    ),
    tasks={"click": {"label": "click", "primary": True}, "dwell": {"label": "dwell"}},
    counters={
        "member_counts": {"keys": ["member"]},
        "item_counts": {"keys": ["item"]},
        "member_surface_counts": {"keys": ["member", "surface"]},
        "pair_counts": {"keys": ["member", "item"]},
    },
    windows=specs.windows(graph=10, train=6, validate=2),
    home_domain="notification",
)
MEMBERS, ITEMS = 12, 9
_MOMENT = pa.timestamp("us", tz="UTC")
_IMPRESSIONS = pa.schema(
    {
        **dict.fromkeys(("impression_id", "member", "item"), pa.int64()),
        **dict.fromkeys(("time", "settled_time"), _MOMENT),
        **dict.fromkeys(("surface", "device"), pa.string()),
        **dict.fromkeys(("click", "dwell"), pa.int8()),
        "place": pa.float32(),
    }
)
# So narrow that members and items need different numbers of rows for their features.
SIZES = ModelConfig(width=4, graph_tokens=2, activities=4, layers=1, heads=2)


@dataclass(frozen=True)
class World:
    """A product: its model, its registered version and its store. Tests must not change it."""

    spec: Spec
    graph: TemporalGraph
    model: Model
    state: Path
    tracking_uri: str
    name: str
    version: str
    as_of: int
    """Time of the vectors (microseconds UTC); counters are materialized up to it."""
    prior: Prior
    """The bundle's: item popularity falls in the order of the keys."""

    @property
    def encoder(self) -> str:
        """Digest of the encoder that made the vectors."""
        return encoder_in(self.state.parent / "model")

    @property
    def store_config(self) -> Path:
        """Configuration of the feature store, with absolute paths."""
        return self.state / "feast" / "feature_store.yaml"

    def keys(self, node: str) -> list[int]:
        """Keys of the members or items."""
        return self.graph.keys(node).to_pylist()


def world_spec(**parts: Any) -> Spec:
    """The product's spec; ``parts`` replace its top-level keys."""
    return specs.spec_of({**DOCUMENT, **parts}, "tiny_world.yaml")


def build_world(folder: Path, spec: Spec | None = None) -> World:
    """Build a world in ``folder``, of ``world_spec()`` or another; version 1 of the model is the champion."""
    spec = world_spec() if spec is None else spec
    graph = tiny_graph(spec)
    as_of = graph.schema.window("test").end
    model = tiny_model(graph)
    state = folder / "state"
    artifact = save_model(model, folder / "model")
    items = graph.keys("item").to_pylist()
    falling = np.linspace(0.9, 0.1, len(items))
    prior = Prior(items, {"click": falling, "dwell": falling / 2}, {"click": 0.2, "dwell": 0.1})
    metrics = {"test": {"click": {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}}}
    bundle = write_bundle(artifact, spec, metrics, {}, folder / "bundle", prior)
    tracking_uri = sqlite_address(state / "mlflow" / "mlflow.db")
    registry = Registry(tracking_uri)
    version = registry.log_version(model_name(spec), bundle, {"gate": "promote"})
    registry.promote(model_name(spec), version)
    embed(model, graph, as_of, folder / "vectors", creation="authored")
    fill_store(spec, graph, state, folder, version, as_of)
    return World(spec, graph, model, state, tracking_uri, model_name(spec), version, as_of, prior)


def copy_store(world: World, state: Path) -> Path:
    """Copy the world's feature store to ``state``, for a test that changes it; returns its configuration."""
    shutil.copytree(world.state / "feast", state / "feast")
    return write_resolved(CONFIG, state, project_of(world.spec.name))


@cache
def shared_graph() -> TemporalGraph:
    """The graph of ``world_spec()``, built once per process. Tests must not change it."""
    return tiny_graph(world_spec())


@cache
def shared_model() -> Model:
    """The model of ``shared_graph()``, built once per process. Tests must not change it."""
    return tiny_model(shared_graph())


def tiny_graph(spec: Spec) -> TemporalGraph:
    """A fake graph whose seeds have the spec's impression features."""
    graph = fake_graph(members=MEMBERS, items=ITEMS, seed=3)
    features = tuple(
        FeatureColumn(f.name, "number")
        if f.kind == "number"
        else FeatureColumn(f.name, "category", vocabulary=("desktop", "phone"))
        for f in impression_features(spec)
    )
    numbers = torch.rand(
        len(graph.seeds), sum(f.kind == "number" for f in features), generator=torch.Generator().manual_seed(0)
    )
    coded = graph.seeds.categories[:, :1].repeat(1, sum(f.kind == "category" for f in features))
    schema = replace(graph.schema, seeds=replace(graph.schema.seeds, features=features))
    of_categories = {"categories": coded, "frozen_categories": coded}
    seeds = replace(graph.seeds, numbers=numbers, frozen_numbers=numbers, **of_categories)
    return replace(graph, schema=schema, seeds=seeds)


def tiny_model(graph: TemporalGraph, sizes: ModelConfig = SIZES) -> Model:
    """A model with random weights, large enough that every input changes the scores."""
    torch.manual_seed(5)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    ranker = build_ranker(sizes, graph.schema, encoding).eval()
    with torch.no_grad():
        for weights in ranker.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    calibration = Calibration({"click": Platt(1.3, -0.4), "dwell": Platt(0.8, 0.1)})
    return Model(ranker, encoding, graph.schema, calibration, {"windows": ["train"], "epochs": 1})


def fill_store(spec: Spec, graph: TemporalGraph, state: Path, folder: Path, version: str, as_of: int) -> None:
    """Apply the definitions, materialize the counters and push the vectors to a Feast store under ``state``."""
    for counter in counter_plans(spec):
        write_counter(spec, graph, counter, folder / "tables", as_of)
    pq.write_table(_IMPRESSIONS.empty_table(), folder / "tables" / "impressions.parquet")
    store = open_store(CONFIG, state, project_of(spec.name))
    apply_tables(store, spec, folder / "tables", state)
    materialize(store, spec, as_of)
    push(store, spec, folder / "vectors", version, encoder_in(folder / "model"))
    write_resolved(CONFIG, state, store.project)


def write_counter(spec: Spec, graph: TemporalGraph, counter: str, folder: Path, as_of: int) -> None:
    """Write random counter states at two midnights for all keys but the last member and the last item."""
    values = {
        "member_id": graph.keys("member").to_pylist()[:-1],
        "item_id": graph.keys("item").to_pylist()[:-1],
        "surface": spec.impressions.surfaces,
    }
    keys = counter_plan(spec, counter).keys
    midnights = [moment(as_of - days * DAY) for days in (3, 2)]
    rows = list(product(midnights, *(values[key] for key in keys)))
    frame = pd.DataFrame(rows, columns=["valid_from", *keys])
    frame["valid_from"] = frame["valid_from"].dt.as_unit("us")
    random = np.random.default_rng(len(counter))
    for column in state_columns(counter_plan(spec, counter)):
        most = 20 if column.endswith("_sum") else 50
        frame[column] = random.integers(most - 20, most, len(frame))
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(folder / f"{counter_table(counter)}.parquet", index=False)
