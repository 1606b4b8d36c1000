from collections.abc import Iterator

import httpx
import pytest

from serving.endpoint import Endpoint
from serving.limits import Limits
from tests.serving.running import running
from tests.serving.world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def server(world: World) -> Iterator[Endpoint]:
    """A worker as it stands in a pod: without the proxy that a machine of its own has in front."""
    folder = world.state / "endpoint"
    folder.mkdir()
    with running(world, folder, Limits()) as found:
        settings = found.settings
        yield Endpoint(
            name=settings.name,
            version=settings.version,
            host=settings.host,
            port=settings.port,
            grpc_port=settings.grpc_port,
            started="",
            workers=(),
        )


@pytest.fixture(scope="session")
def client(server: Endpoint) -> Iterator[httpx.Client]:
    address = f"http://127.0.0.1:{server.port}"
    with httpx.Client(base_url=address, timeout=20, trust_env=False) as client:
        yield client
