"""A product with nine old versions, in a state folder and as on a cluster, to be pruned."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from models.addresses import sqlite_address
from models.files import write_text
from models.served import model_of
from models.storage import write_bytes
from monitoring.ledger import Ledger
from pipelines.__main__ import main
from serving.versions.mlflow_records import DIGEST
from serving.versions.registry import Registry
from tests.feature_repo import tiny
from tests.feature_repo.restored import Restored
from tests.mlflow_database import add_database

PRODUCT = tiny.tiny_spec().name
MODEL = model_of(PRODUCT)
OLD = time.time() - 60 * 86_400


@dataclass
class World:
    """A state folder with nine versions, each with a run of its own, all of them old."""

    state: Path
    client: MlflowClient
    store: Any

    @property
    def registry(self) -> Registry:
        return Registry(sqlite_address(self.state / "mlflow" / "mlflow.db"))

    def versions(self) -> list[str]:
        return self.registry.versions(MODEL)

    def bundles(self) -> int:
        """How many bundles have their bytes."""
        return len(list((self.state / "mlflow" / "artifacts").glob("*/artifacts/bundle/model.json")))

    def prune(self, *options: str) -> int:
        return main(["prune", "--state", str(self.state), *options])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Restored]:
    spec, state = tiny.tiny_spec(), tmp_path_factory.mktemp("made") / "state"
    add_database(state)
    store = tiny.store_of(spec, state)
    tables = tiny.tables(spec, state / "pipeline" / "run-9" / "tables")
    tiny.apply_tables(store, spec, tables, state)
    address = sqlite_address(state / "mlflow" / "mlflow.db")
    client = MlflowClient(address)
    for number in range(1, 10):
        run = f"run-{number}"
        ledger = Ledger(address, run, PRODUCT, "training")
        ledger.note("verdict", {"version": str(number), "long": "x" * 9_000})
        ledger.close("SUCCEEDED")
        write_text(state / "runs" / run / "run.log", "log")
        write_text(state / "pipeline" / run / "model.bin", "model")
        register(client, run)
    for path in [*(state / "runs").rglob("*"), *(state / "pipeline").rglob("*")]:
        os.utime(path, (OLD, OLD))
    return World(state, client, store), Restored(state)


@pytest.fixture
def world(made: tuple[World, Restored]) -> World:
    """The world, which the case may change."""
    world, restored = made
    restored.restore()
    return World(world.state, world.client, tiny.store_of(tiny.tiny_spec(), world.state))


def register(client: MlflowClient, run: str, version: bool = True) -> str:
    experiment = client.get_experiment_by_name(PRODUCT)
    bundle = client.create_run(experiment.experiment_id, tags={DIGEST: "0" * 64})
    client.log_text(bundle.info.run_id, "{}", "bundle/model.json")
    client.set_terminated(bundle.info.run_id)
    if version:
        if run == "run-1":
            client.create_registered_model(MODEL)
        source = f"{bundle.info.artifact_uri}/bundle"
        client.create_model_version(MODEL, source, bundle.info.run_id, tags={DIGEST: "0" * 64, "run": run})
    return str(bundle.info.run_id)


@pytest.fixture
def on_a_cluster(world: World, bucket: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a cluster whose endpoint serves version 4, with the registry and the notes of ``world``."""

    class Target:
        def state(self) -> str:
            return "up"

        def traffic(self) -> dict[str, int]:
            return {"4": 100}

    monkeypatch.setattr("serving.deployment.cluster.open_cluster", lambda *_: Target())
    for module in ("pipelines.commands.prune", "serving.deployment.cluster_settings"):
        monkeypatch.setattr(f"{module}.check_tracking", lambda _: None)
    config = world.state / "cluster.yaml"
    online = {"type": "feature_repo.stores.online.PackedSqliteOnlineStore", "path": f"{world.state}/feast/online.db"}
    registry = {"registry_type": "sql", "path": "postgresql://nobody@127.0.0.1:1/feast"}  # not needed
    config.write_text(json.dumps({"project": "p", "registry": registry, "online_store": online}), encoding="utf-8")
    write_bytes(f"{bucket}/checkpoints/{PRODUCT}/{'a' * 64}/x", b"x")
    addresses = ["--storage", bucket, "--tracking-uri", world.registry.tracking_uri, "--feature-store", str(config)]
    return ["--target", "cluster", "--product", PRODUCT, *addresses]
