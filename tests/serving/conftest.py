from collections.abc import Iterator

import httpx
import pytest

from serving.endpoint import Endpoint, down, up
from tests.serving.world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def server(world: World) -> Iterator[Endpoint]:
    endpoint = up(world.state, world.tracking_uri, world.name)
    yield endpoint
    down(world.state)


@pytest.fixture(scope="session")
def client(server: Endpoint) -> Iterator[httpx.Client]:
    address = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=address, timeout=20, trust_env=False) as client:
        yield client
