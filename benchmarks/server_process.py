"""Server process of a registered version, on free ports, that writes to its own folder."""

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
    """The version to serve."""

    @property
    def tracking_uri(self) -> str:
        """MLflow registry of the version."""

    @property
    def name(self) -> str:
        """Name of the registered model."""

    @property
    def version(self) -> str:
        """Version number."""

    @property
    def store_config(self) -> Path:
        """A feature_store.yaml with absolute paths."""


@dataclass(frozen=True)
class ServerProcess:
    """A started server."""

    process: subprocess.Popen[bytes]
    settings: Settings
    log: Path

    @property
    def address(self) -> str:
        """HTTP host and port."""
        return f"{LOOPBACK}:{self.settings.port}"

    @property
    def grpc(self) -> str:
        """gRPC host and port."""
        return f"{LOOPBACK}:{self.settings.grpc_port}"


@contextmanager
def server_process(
    product: Product, folder: Path, limits: Limits, token_file: str = "", start: Sequence[str] = RUNTIME
) -> Iterator[ServerProcess]:
    """Start the server without waiting; stop it afterwards. ``start``: Python's arguments before the settings."""
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
    file, log = folder / "settings.json", folder / "server.log"
    settings.write(file)
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *start, str(file)], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield ServerProcess(process, settings, log)
    finally:
        process.kill()
        process.wait()
