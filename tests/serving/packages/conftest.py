"""Session fixtures of packages: a bento and an archive of the world's champion, and the servers of both."""

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
from tests.serving.running import running_server, wait_until
from tests.serving.world import World


@dataclass(frozen=True)
class Made:
    """A package and the command's output."""

    folder: Path
    output: str

    @property
    def start(self) -> str:
        return self.output.splitlines()[-1].partition(": ")[2]


def package(*arguments: str) -> str:
    """Run ``python -m serving package``; returns its output."""
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers(dest="command"))
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert command.run(parser.parse_args(["package", *arguments])) == 0
    return output.getvalue()


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
    """A client, with the token, of our own server."""
    folder = tmp_path_factory.mktemp("kserve")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    with running_server(world, folder, Limits(), str(folder / "token")) as server, server.client() as client:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield client


@pytest.fixture(scope="session")
def runtimes(
    torchserve: tuple[Starting, httpx.Client], bentoml: Starting, kserve: httpx.Client
) -> dict[str, httpx.Client]:
    """A client of each server of the world's champion; they start concurrently."""
    return {"kserve": kserve, "bentoml": bentoml.up(), "torchserve": torchserve[0].up()}
