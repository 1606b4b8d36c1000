"""A server process of a registered version, on free ports, with what it writes in a folder of its own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serving.settings.limits import Limits
from serving.settings.listening import LOOPBACK, free_port
from serving.settings.settings import Settings
from serving.versions.registry import Registry

RUNTIME = ("-m", "serving.server.process")


class Product(Protocol):
    """What is served."""

    @property
    def tracking_uri(self) -> str:
        """MLflow, where the version is registered."""

    @property
    def name(self) -> str:
        """Of the registered model."""

    @property
    def version(self) -> str:
        """Of it."""

    @property
    def store_config(self) -> Path:
        """A feature_store.yaml with absolute paths."""


@dataclass(frozen=True)
class ServerProcess:
    """A server that was started."""

    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path

    @property
    def address(self) -> str:
        """Host and port of HTTP."""
        return f"{LOOPBACK}:{self.settings.port}"

    @property
    def grpc(self) -> str:
        """Host and port of gRPC."""
        return f"{LOOPBACK}:{self.settings.grpc_port}"


@contextmanager
def server_process(
    product: Product, folder: Path, limits: Limits, token_file: str = "", start: Sequence[str] = RUNTIME
) -> Iterator[ServerProcess]:
    """The server, not waited for; it is gone afterwards. ``start``: what Python is told, before the settings' file."""
    port = free_port(LOOPBACK)
    while (grpc_port := free_port(LOOPBACK)) == port:
        pass
    registry = Registry(product.tracking_uri)
    settings = Settings(
        name=product.name,
        version=product.version,
        bundle=str(registry.download(product.name, product.version, folder / "bundle")),
        digest=registry.digest(product.name, product.version),
        store_config=str(product.store_config),
        served=str(folder / "served"),
        port=port,
        grpc_port=grpc_port,
        limits=limits,
        token_file=token_file,
    )
    told, log = folder / "settings.json", folder / "server.log"
    settings.write(told)
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *start, str(told)], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield ServerProcess(process, settings, log)
    finally:
        process.kill()
        process.wait()
