"""A real server whose Redis hangs or dies, under more load than it can serve."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic
from typing import Any

import httpx
import pytest

from benchmarks.redis_server import RedisServer
from benchmarks.served_world import online_on_redis
from feature_repo.materialise import materialize
from feature_repo.push import push
from feature_repo.store import open_store, project_of, write_resolved
from models.training.encoder import encoder_in
from serving.settings.limits import Limits
from tests.feature_repo.tiny import apply_tables
from tests.serving.requests import v1
from tests.serving.running import RunningServer, running_server, wait_until
from tests.serving.world import World

pytestmark = pytest.mark.serial

LIMITS = Limits(concurrent=2, waiting=2, wait_seconds=5, store_seconds=0.3)
CROWD, EACH = 8, 5


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def server(world: World, store: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("robustness")
    config = online_on_redis(folder / "feature_store.yaml", store.address)
    held = replace(world, state=folder / "state")
    feast = open_store(config, held.state, project_of(world.spec.name))
    write_resolved(config, held.state, feast.project)
    apply_tables(feast, world.spec, world.state.parent / "tables", held.state)
    materialize(feast, world.spec, world.as_of)
    push(feast, world.spec, world.state.parent / "vectors", world.version, encoder_in(world.state.parent / "model"))
    store.save()
    with running_server(held, folder, LIMITS) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        yield server


def send(client: httpx.Client, world: World) -> httpx.Response:
    return client.post(f"/v1/models/{world.name}:predict", json=v1(world, *world.keys("item")))


def slate(client: httpx.Client, world: World) -> dict[str, Any]:
    response = send(client, world)
    assert response.status_code == 200, response.text
    (found,) = response.json()["predictions"]
    del found["request_id"]
    return found


def test_a_store_that_hangs_or_dies_is_replaced_by_popularity_until_it_is_back(
    server: RunningServer, store: RedisServer, world: World
) -> None:
    with server.client() as client:
        usual = slate(client, world)
        assert not usual["fallback"]
        assert not usual["member_cold"]
        for harm, mend in ((store.halt, store.go_on), (store.kill, store.start)):
            harm()
            for _ in range(3):
                begin = monotonic()
                found = slate(client, world)
                assert found["fallback"]
                assert monotonic() - begin < LIMITS.deadline_seconds
            assert [ranked["item"] for ranked in found["slate"]] == world.keys("item")  # by popularity
            assert server.probe("/v2/health/ready") == 200
            mend()
            wait_until(lambda: not slate(client, world)["fallback"], 2.0)
            again = slate(client, world)
            assert {ranked["item"] for ranked in again["slate"]} == {ranked["item"] for ranked in usual["slate"]}
            assert not again["member_cold"]


def test_overload_gets_429_and_ends_with_the_load(server: RunningServer, store: RedisServer, world: World) -> None:
    """The store hangs, so that every request takes its whole deadline."""
    start = threading.Barrier(CROWD)

    def caller() -> list[httpx.Response]:
        with server.client() as client:
            start.wait(20)
            return [send(client, world) for _ in range(EACH)]

    store.halt()
    try:
        with ThreadPoolExecutor(CROWD) as pool:
            pending = [pool.submit(caller) for _ in range(CROWD)]
            responses = [response for future in pending for response in future.result()]
    finally:
        store.go_on()
    assert {response.status_code for response in responses} == {200, 429}
    for response in responses:
        if response.status_code == 200:
            assert response.json()["predictions"][0]["fallback"]
        else:
            assert response.headers["retry-after"] == "1"
            assert list(response.json()) == ["error"]
    with server.client() as client:
        wait_until(lambda: not slate(client, world)["fallback"], 2.0)
    with ThreadPoolExecutor(LIMITS.concurrent) as pool, server.client() as client:
        responses = list(pool.map(lambda _: send(client, world), range(20)))
    assert {response.status_code for response in responses} == {200}
    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text(encoding="utf-8")
