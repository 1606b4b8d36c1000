"""Session fixtures of serving: one read-only world, one server of it, a client."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from feature_repo.slots import read_slots
from feature_repo.store import open_notes
from serving.deployment.endpoint import Endpoint
from serving.settings.limits import Limits
from tests.serving.running import running_server
from tests.serving.world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    built = build_world(tmp_path_factory.mktemp("world"))
    slots = read_slots(open_notes(built.store_config))
    yield built
    assert read_slots(open_notes(built.store_config)) == slots, "a test changed the shared store; use copy_store"


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the server's log and its served log."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(world: World, server_folder: Path) -> Iterator[Endpoint]:
    """A server process without a proxy, as in a pod."""
    with running_server(world, server_folder, Limits()) as found:
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


@pytest.fixture
def predict(world: World) -> str:
    return f"/v1/models/{world.name}:predict"


@pytest.fixture
def infer(world: World) -> str:
    return f"/v2/models/{world.name}/infer"
