import argparse
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from serving.packages import command
from serving.settings.limits import Limits
from tests.serving.packages.servers import TOKEN, Starting, bento_server, torchserve_server
from tests.serving.running import awaited, running
from tests.serving.world import World


@dataclass(frozen=True)
class Made:
    """A package, and what the command printed."""

    folder: Path
    said: str

    @property
    def start(self) -> str:
        return self.said.splitlines()[-1].partition(": ")[2]


def package(*arguments: str) -> str:
    """Run ``python -m serving package``; what it prints."""
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(dest="command"))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert command.run(parser.parse_args(["package", *arguments])) == 0
    return said.getvalue()


@pytest.fixture(scope="session")
def bento(world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("bentoml") / "bento"
    return Made(folder, package("bentoml", "--state", str(world.state), "--output", str(folder)))


@pytest.fixture(scope="session")
def archive(world: World, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("torchserve") / "export"
    where = ["--state", str(world.state), "--output", str(folder)]
    return Made(folder, package("torchserve", "--accept-unmaintained", *where))


@pytest.fixture(scope="session")
def torchserve(world: World, archive: Made) -> Iterator[tuple[Starting, httpx.Client]]:
    """The server, not waited for, and a client of its management port."""
    with torchserve_server(archive.folder, world.name, world.state) as started:
        yield started


@pytest.fixture(scope="session")
def bentoml(bento: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starting]:
    """The server, not waited for."""
    with bento_server(bento.start, tmp_path_factory.mktemp("bento_server")) as started:
        yield started


@pytest.fixture(scope="session")
def kserve(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of our own server, which is ready, that shows the token."""
    folder = tmp_path_factory.mktemp("kserve")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    with running(world, folder, Limits(), str(folder / "token")) as server, server.client() as client:
        awaited(lambda: server.probe("/v2/health/ready") == 200)
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture(scope="session")
def runtimes(
    torchserve: tuple[Starting, httpx.Client], bentoml: Starting, kserve: httpx.Client
) -> dict[str, httpx.Client]:
    """A client of every server that serves the world's champion; they start side by side."""
    return {"kserve": kserve, "bentoml": bentoml.up(), "torchserve": torchserve[0].up()}
