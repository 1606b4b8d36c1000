import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
import yaml

from feature_repo.materialise import materialize
from feature_repo.packed.sqlite import TABLE
from feature_repo.store import open_store
from feature_repo.views.errors import NotAppliedError
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

CLUSTER = tiny.CONFIG.with_name("feature_store.cluster.yaml")


def test_state_moves_the_embedded_parts(tmp_path: Path) -> None:
    store = open_store(tiny.CONFIG, tmp_path, "tiny")
    assert store.config.online_store.path == str(tmp_path / "feast" / "online.db")
    assert store.config.registry.path == f"sqlite:///{tmp_path}/feast/registry.db"
    assert store.project == "tiny"


def test_without_state_the_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "repo" / "feature_store.yaml"
    config.parent.mkdir()
    config.write_text(tiny.CONFIG.read_text())
    assert open_store(config, None, "tiny").config.online_store.path == str(tmp_path / "state" / "feast" / "online.db")


def test_no_configuration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotAppliedError, match="no such file"):
        open_store(tmp_path / "feature_store.yaml")


def test_an_endpoint_reads_on_while_a_step_writes(own_world: World) -> None:
    materialize(own_world.store, own_world.spec)
    with contextlib.closing(sqlite3.connect(own_world.state / "feast" / "online.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute(f"DELETE FROM {TABLE}")
        reader = tiny.store_of(own_world.spec, own_world.state)
        found = reader.get_online_features(features=["post_content:topic"], entity_rows=[{"post_id": "p1"}]).to_dict()
    assert found["topic"] == ["t0"]


def test_the_clusters_configuration_names_services_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_REGISTRY", "postgresql+psycopg://feast@registry/feast")
    monkeypatch.setenv("FEAST_REDIS", "redis:6379")
    document = yaml.safe_load(os.path.expandvars(CLUSTER.read_text()))
    assert document["registry"]["path"] == "postgresql+psycopg://feast@registry/feast"
    packed = "feature_repo.stores.online.PackedRedisOnlineStore"
    assert document["online_store"] == {"type": packed, "connection_string": "redis:6379"}
    embedded = yaml.safe_load(tiny.CONFIG.read_text())
    assert document.keys() == embedded.keys()
    assert document["project"] == embedded["project"]
