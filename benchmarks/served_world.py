"""A small product to serve: the simulated network with its spec's default model, in Redis or in the embedded store.

The weights are random, which is as fast as trained weights. Pass another spec for another product.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml

from models.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
_CONFIG = ROOT / "feature_repo" / "feature_store.yaml"


@dataclass(frozen=True)
class ServedWorld:
    """Everything that a server and its clients need."""

    spec: Spec
    state: Path
    """State folder with the applied store and the registry."""
    tables: Path
    vectors: Path
    tracking_uri: str
    name: str
    version: str
    members: list[int]
    items: list[int]
    as_of: int
    """Microseconds UTC; no row in the store is later."""

    @property
    def store_config(self) -> Path:
        """File of the store's configuration, with absolute paths."""
        return self.state / "feast" / "feature_store.yaml"


def build(
    folder: Path,
    redis: str | None,
    spec_file: Path = ROOT / "configs" / "professional.yaml",
    trees: int = 0,
) -> ServedWorld:
    """Simulate, build features and graph, create a model, register it as champion, fill the online store.

    ``redis``: address of the online store; None = the embedded store. ``trees``: how many the model has for each task.
    """
    from feature_repo.applied import pushed_folder
    from feature_repo.apply import apply
    from feature_repo.materialise import materialize
    from feature_repo.push import push
    from feature_repo.retrieve import retrieve
    from feature_repo.sources import end_of_data
    from feature_repo.sources.ingest import ingest
    from feature_repo.sources.windows import spec_of
    from feature_repo.store import open_store, project_of, write_resolved
    from models.graph.build import build_graph
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.embed import embed
    from models.training.encoder import encoder_in
    from serving.versions.bundle import write_bundle
    from serving.versions.prior import Prior
    from serving.versions.registry import Registry, model_name

    spec = _tiny(spec_file, trees > 0)
    tables, training, state = folder / "tables", folder / "training_set", folder / "state"
    spec = spec_of(spec, ingest(spec, None, tables))
    config = _CONFIG if redis is None else online_on_redis(folder / "feature_store.yaml", redis)
    store = open_store(config, state, project_of(spec.name))
    write_resolved(config, state, store.project)
    apply(store, spec, tables, str(tables.resolve()), pushed_folder(str(state.resolve()), store.project))
    retrieve(store, spec, tables, training)
    build_graph(spec, tables, training, folder / "graph")
    graph, as_of = TemporalGraph.load(folder / "graph"), end_of_data(tables)
    bundle = write_bundle(
        random_model(spec, graph, folder / "model", trees), spec, {}, {}, folder / "bundle", Prior.fit(spec, training)
    )
    tracking_uri = f"sqlite:///{state.resolve()}/mlflow/mlflow.db"
    registry, name = Registry(tracking_uri), model_name(spec)
    version = registry.log_version(name, bundle, {})
    registry.promote(name, version)
    materialize(store, spec, as_of)
    rule = spec.serving.diversity
    embed(load_model(folder / "model"), graph, as_of, folder / "vectors", None if rule is None else rule.creation)
    push(store, spec, folder / "vectors", version, encoder_in(folder / "model"))
    seeds = graph.schema.seeds
    members, items = (graph.keys(node).to_pylist() for node in (seeds.member, seeds.item))
    return ServedWorld(spec, state, tables, folder / "vectors", tracking_uri, name, version, members, items, as_of)


def random_model(spec: Spec, graph: Any, folder: Path, trees: int = 0) -> Path:
    """Write the spec's model with random weights as an artifact, with that many trees for each task."""
    from benchmarks.random_trees import fit_random
    from models.calibration import Calibration
    from models.nn.build import build_ranker
    from models.nn.encoding import Encoding
    from models.nn.semantic import HierarchicalEmbedding
    from models.training.artifact import Model, save_model

    torch.manual_seed(0)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    ranker = build_ranker(spec.model, graph.schema, encoding).eval()
    for module in ranker.modules():
        if isinstance(module, HierarchicalEmbedding):  # it starts at 0, and would add nothing
            for table in module.parameters():
                torch.nn.init.normal_(table.data[1:])
    calibration = Calibration.none([task.name for task in graph.schema.seeds.tasks])
    training = {"windows": ["train"], "epochs": 0, "config": asdict(spec.training)}
    model = Model(ranker, encoding, graph.schema, calibration, training)
    return save_model(replace(model, trees=fit_random(model, trees) if trees else None), folder)


def online_on_redis(path: Path, address: str) -> Path:
    """Write the embedded store's configuration with Redis as its online store."""
    document = yaml.safe_load(_CONFIG.read_text(encoding="utf-8"))
    kind = "feature_repo.stores.online.PackedRedisOnlineStore"
    document["online_store"] = {"type": kind, "connection_string": address}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _tiny(spec_file: Path, trees: bool) -> Spec:
    from models.spec import parse_spec

    document = yaml.safe_load(spec_file.read_text(encoding="utf-8"))
    document["source"]["options"]["size"] = "tiny"
    document.setdefault("model", {})["trees"] = trees
    return parse_spec(yaml.safe_dump(document), spec_file.name)
