"""The services that pods share, all real, on loopback, with passwords, below one temporary folder."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.feature_repo.postgres_server import create_database, postgres_command

BUCKET = "heliograph"
HOST = "127.0.0.1"
_SECONDS = 240.0
"""How long a service may take to start."""


class ServiceError(RuntimeError):
    """Raised for a service that does not start."""


@dataclass(frozen=True)
class Services:
    """Addresses and credentials; passwords are made anew by every rehearsal."""

    registry: str
    """Feast's registry, a database address of SQLAlchemy."""
    redis: str
    """Feast's connection string."""
    redis_port: int
    password: str
    """Redis's and Postgres's."""
    tracking: str
    """Address of MLflow."""
    storage: str
    """Address of S3."""
    key: tuple[str, str]
    """Access key and secret key of S3."""

    def secret(self) -> dict[str, str]:
        """The Secret that pods get."""
        return {
            "FEAST_REGISTRY": self.registry,
            "FEAST_REDIS": self.redis,
            "AWS_ENDPOINT_URL": self.storage,
            "AWS_ACCESS_KEY_ID": self.key[0],
            "AWS_SECRET_ACCESS_KEY": self.key[1],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    def files(self) -> Any:
        """Object storage as a file system of pyarrow."""
        from pyarrow import fs

        return fs.S3FileSystem(
            access_key=self.key[0],
            secret_key=self.key[1],
            endpoint_override=self.storage,
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def online(self) -> Any:
        """A client of Redis."""
        import redis

        return redis.Redis(HOST, self.redis_port, password=self.password)


@contextmanager
def running(folder: Path) -> Iterator[Services]:
    """Start every service, all at once; end them all, whatever happens."""
    password, key = f"p{secrets.token_hex(12)}", (secrets.token_hex(8), secrets.token_hex(16))
    ports = dict(zip(("postgres", "redis", "storage", "mlflow"), free_ports(4), strict=True))
    found = Services(
        registry=f"postgresql+psycopg://feast:{password}@{HOST}:{ports['postgres']}/feast",
        redis=f"{HOST}:{ports['redis']},password={password}",
        redis_port=ports["redis"],
        password=password,
        tracking=f"http://{HOST}:{ports['mlflow']}",
        storage=f"http://{HOST}:{ports['storage']}",
        key=key,
    )
    database = f"host={HOST} port={ports['postgres']} user=feast password={password}"
    ready: dict[str, Callable[[], bool]] = {
        "storage": lambda: _answers(f"{found.storage}/moto-api/"),
        "redis": lambda: _pings(found.online()),
        "postgres": lambda: create_database(database),
        "mlflow": lambda: _answers(f"{found.tracking}/health"),
    }
    with ExitStack() as stack:
        for name, command, user in (
            ("mlflow", _tracking(folder, ports["mlflow"]), None),
            ("storage", [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(ports["storage"])], None),
            ("redis", _redis(folder, ports["redis"], password), None),
            ("postgres", *postgres_command(folder, ports["postgres"], password)),
        ):
            stack.enter_context(_process(name, command, folder, user))
        for name, answers in ready.items():
            _await(name, answers, folder / f"{name}.log")
        found.files().create_dir(BUCKET)
        yield found


def _redis(folder: Path, port: int, password: str) -> list[str]:
    if shutil.which("redis-server") is None:
        raise ServiceError("redis-server: expected it on the path; found nothing. Run: .ci/packages redis")
    settings = folder / "redis.conf"
    settings.write_text(
        f'bind {HOST}\nport {port}\ndir {folder}\nsave ""\nappendonly no\nrequirepass {password}\n', encoding="ascii"
    )
    return ["redis-server", str(settings)]


def _pings(client: Any) -> bool:
    import redis

    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _tracking(folder: Path, port: int) -> list[str]:
    """MLflow with proxied artifacts: clients need no access to where it keeps them."""
    home = folder / "mlflow"
    home.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--serve-artifacts"]
    return [*command, "--artifacts-destination", str(home / "artifacts")]


@contextmanager
def _process(name: str, command: Sequence[str], folder: Path, demoted: dict[str, Any] | None = None) -> Iterator[None]:
    """A process in a group of its own, which is ended with all its children."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            # MLflow's job workers, which nothing here uses, take a core.
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            **(demoted or {}),
        )
    try:
        yield
    finally:
        end(process)


def end(process: "subprocess.Popen[Any]", seconds: float = 10.0) -> None:
    """End a process that leads a group, and the group."""
    import signal

    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            process.wait()
            return


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _await(name: str, ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if time.monotonic() > deadline:
            end_of_log = log.read_text(encoding="utf-8", errors="replace")[-600:]
            raise ServiceError(f"{name}: expected it to answer within {_SECONDS:.0f} s; found in its log: {end_of_log}")
        time.sleep(0.05)


def past_proxies(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables with which clients reach this machine directly, whatever proxy the environment names."""
    direct = {
        name: ",".join(filter(None, [variables.get(name), HOST, "localhost"])) for name in ("NO_PROXY", "no_proxy")
    }
    return {**variables, **direct}


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
