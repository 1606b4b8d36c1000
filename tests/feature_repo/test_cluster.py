"""The feature store on a cluster's configuration: Spark in local mode, a real Redis, an SQL registry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feast.infra.online_stores.helpers import get_online_store_from_config

from feature_repo.as_of import features_as_of
from feature_repo.materialise import materialize
from feature_repo.packed.keys import view_prefix
from feature_repo.retrieve import retrieve
from feature_repo.store import open_store, project_of, write_resolved
from feature_repo.views.errors import NotAppliedError
from models.time_units import microseconds
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world
from tests.feature_repo.redis_server import redis_server
from tests.feature_repo.spark_session import spark_defaults

__all__ = ["redis_server"]
pytestmark = pytest.mark.long(20)
CLUSTER = tiny.CONFIG.with_name("feature_store.spark.yaml")


class Worlds:
    """The same product, on one machine and on a cluster."""

    def __init__(self, one: World, cluster: World) -> None:
        self.one, self.cluster = one, cluster


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Worlds]:
    folder = tmp_path_factory.mktemp("worlds")
    one = open_world(folder)
    with spark_defaults(folder), pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEAST_REGISTRY", f"sqlite:///{folder}/cluster.db")
        environment.setenv("FEAST_REDIS", redis_server)
        store = open_store(CLUSTER, None, project_of(one.spec.name))
        tiny.apply_tables(store, one.spec, one.tables, folder / "cluster")
        yield Worlds(one, World(store, one.spec, one.tables, folder / "cluster"))


@pytest.mark.slow
def test_the_training_set_is_the_same_to_the_byte(worlds: Worlds, tmp_path: Path) -> None:
    manifests = []
    for name, world in (("one", worlds.one), ("cluster", worlds.cluster)):
        manifests.append(retrieve(world.store, world.spec, world.tables, tmp_path / name))
    assert manifests[0]["windows"]["train"] > 0
    assert manifests[1] == manifests[0]


@pytest.mark.slow
def test_the_online_stores_hold_the_same_bytes(worlds: Worlds) -> None:
    until = microseconds(tiny.START + 4.5 * tiny.DAY)
    written = [materialize(world.store, world.spec, until) for world in (worlds.one, worlds.cluster)]
    assert written[0] == written[1]
    for view in written[0]:
        one, cluster = (
            dict(_rows(world).dump(view_prefix(world.store.project, view))) for world in (worlds.one, worlds.cluster)
        )
        assert len(one) >= written[0][view] > 0
        assert cluster == one


@pytest.mark.slow
def test_no_queries_have_no_results(worlds: Worlds) -> None:
    nothing = {"member_id": np.zeros(0, np.int64)}
    found = features_as_of(worlds.cluster.store, nothing, np.zeros(0, np.int64), ["member_profile"])
    assert {name: (len(column), str(column.type)) for name, column in found.items()} == {
        "seniority": (0, "float"),
        "country": (0, "string"),
    }


def test_the_resolved_configuration_holds_the_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_REGISTRY", f"sqlite:///{tmp_path}/registry.db")
    monkeypatch.setenv("FEAST_REDIS", "redis:6379")
    resolved = write_resolved(CLUSTER, tmp_path, "tiny")
    monkeypatch.delenv("FEAST_REGISTRY")
    monkeypatch.delenv("FEAST_REDIS")
    config = open_store(resolved).config
    assert config.online_store.connection_string == "redis:6379"
    assert config.offline_store.spark_conf["spark.sql.session.timeZone"] == "UTC"


def test_an_address_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEAST_REGISTRY", raising=False)
    monkeypatch.setenv("FEAST_REDIS", "redis:6379")
    with pytest.raises(NotAppliedError, match="expected FEAST_REGISTRY in the environment"):
        open_store(CLUSTER, None, "tiny")


def _rows(world: World) -> Any:
    """The packed rows under a world's online store."""
    return get_online_store_from_config(world.store.config.online_store).rows(world.store.config)
