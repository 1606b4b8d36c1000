"""What is served on this machine, as a file: ``endpoint/endpoint.json`` of a state folder."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.settings.listening import LOOPBACK, address, reached_at

RECORD = "endpoint.json"


@dataclass(frozen=True)
class Worker:
    """One server process of one version, behind the proxy."""

    version: str
    settings: str
    """File of its ``Settings``."""
    port: int
    grpc_port: int
    percent: int
    """Share of the traffic."""
    host: str = LOOPBACK


@dataclass(frozen=True)
class Endpoint:
    """An address, and the versions that answer there. It was healthy when this was written."""

    name: str
    version: str
    """The version that is served; a canary is beside it."""
    host: str
    """Address that the proxy is bound to; its workers are reached from this machine only."""
    port: int
    grpc_port: int
    """The same one: the proxy tells gRPC by its content type."""
    started: str
    workers: tuple[Worker, ...]
    """The served version's first, then the canary's, if there is one."""
    previous: str | None = None
    """The version that was served before: what ``rollback`` goes back to when there is no canary."""

    @property
    def url(self) -> str:
        """Address of the v1 predict call."""
        return f"http://{address(reached_at(self.host), self.port)}/v1/models/{self.name}:predict"

    @property
    def grpc(self) -> str:
        """Address of the Open Inference Protocol."""
        return address(reached_at(self.host), self.grpc_port)

    @property
    def stable(self) -> Worker:
        """The worker of the version that is served."""
        return self.workers[0]

    @property
    def canary(self) -> Worker | None:
        """The worker beside it."""
        return self.workers[1] if len(self.workers) > 1 else None

    def write(self, path: Path) -> None:
        """As JSON, all at once or not at all."""
        draft = path.with_suffix(".partial")
        document = {**asdict(self), "url": self.url, "grpc": self.grpc}
        draft.write_text(json.dumps(document, indent=1), encoding="utf-8")
        os.replace(draft, path)

    @classmethod
    def read(cls, path: Path) -> "Endpoint | None":
        """Back from JSON; None where there is none, or none of ours."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            del document["url"], document["grpc"]  # for other readers
            workers = tuple(Worker(**worker) for worker in document.pop("workers"))
            return cls(**document, workers=workers) if workers else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None


def last_served(state: Path) -> str | None:
    """The model that the state folder's endpoint serves, or served until it was killed; None after ``down``."""
    endpoint = Endpoint.read(state / "endpoint" / RECORD)
    return None if endpoint is None else endpoint.name
