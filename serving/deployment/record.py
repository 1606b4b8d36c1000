"""Record of the endpoint on this machine: ``endpoint/endpoint.json`` of a state folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.files import write_text
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
    """Share of the traffic, 0 to 100."""
    host: str = LOOPBACK


@dataclass(frozen=True)
class Endpoint:
    """An address and the versions that serve there. It was healthy when the record was written."""

    name: str
    version: str
    """The main version; a canary is not named here."""
    host: str
    """Address that the proxy listens at; the workers listen at loopback only."""
    port: int
    grpc_port: int
    """Equal to ``port``: the proxy recognizes gRPC by its content type."""
    started: str
    workers: tuple[Worker, ...]
    """The main version's worker first, then the canary's, if there is one."""
    previous: str | None = None
    """The version served before, to which ``rollback`` goes back when there is no canary."""

    @property
    def url(self) -> str:
        """URL of the v1 predict call."""
        return f"http://{address(reached_at(self.host), self.port)}/v1/models/{self.name}:predict"

    @property
    def grpc(self) -> str:
        """Address of the Open Inference Protocol."""
        return address(reached_at(self.host), self.grpc_port)

    @property
    def stable(self) -> Worker:
        """The main version's worker."""
        return self.workers[0]

    @property
    def canary(self) -> Worker | None:
        """The canary's worker, if there is one."""
        return self.workers[1] if len(self.workers) > 1 else None

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        write_text(path, json.dumps({**asdict(self), "url": self.url, "grpc": self.grpc}, indent=1))

    @classmethod
    def read(cls, path: Path) -> "Endpoint | None":
        """Read a record; None where there is none, or it cannot be parsed."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            del document["url"], document["grpc"]  # derived; written for other readers
            workers = tuple(Worker(**worker) for worker in document.pop("workers"))
            return cls(**document, workers=workers) if workers else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None


def last_served(state: Path) -> str | None:
    """The model that the state folder's endpoint serves, or served before it was killed; None after ``down``."""
    endpoint = Endpoint.read(state / "endpoint" / RECORD)
    return None if endpoint is None else endpoint.name
