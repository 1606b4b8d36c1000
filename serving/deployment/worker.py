"""Worker: the server process of one version, started by the supervisor."""

import json
import socket
import sys
import time
import urllib.request
from pathlib import Path

from serving.deployment import processes
from serving.deployment.record import Worker
from serving.deployment.supervisor import Supervisor
from serving.errors import EndpointError
from serving.settings.listening import address


def start(supervisor: Supervisor, name: str, worker: Worker, log: Path, seconds: float) -> None:
    """Start the worker and wait until it is healthy.

    Raises EndpointError, with the log's last lines, where it is not healthy within ``seconds``; it is removed then.
    """
    program = Path(worker.settings).stem
    begin = log.stat().st_size if log.is_file() else 0
    deadline = time.monotonic() + seconds
    try:
        supervisor.add(program, [sys.executable, "-m", processes.MODULE, worker.settings], log)
        process = supervisor.running(program)
        while not healthy(name, worker.host, worker.port, worker.grpc_port):
            if process is None or supervisor.running(program) != process:
                raise EndpointError("the server ended")
            if time.monotonic() > deadline:
                raise EndpointError("the server did not become healthy in time")
            time.sleep(0.05)
    except BaseException as error:
        supervisor.remove(program)
        Path(worker.settings).unlink(missing_ok=True)
        if isinstance(error, EndpointError):
            raise EndpointError(f"{error}; the last lines of {log}:\n{_tail(log, begin)}") from None
        raise


def healthy(name: str, host: str, port: int, grpc_port: int) -> bool:
    """Whether the model is ready over HTTP and the gRPC port accepts connections."""
    ready_at = f"http://{address(host, port)}/v2/models/{name}/ready"
    # Ignore the environment's proxy settings: the worker is on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(ready_at, timeout=2.0) as response:
            ready = json.loads(response.read()).get("ready") is True
        with socket.create_connection((host, grpc_port), timeout=2.0):
            return ready
    except (OSError, ValueError):
        return False


def _tail(log: Path, begin: int, lines: int = 20) -> str:
    """The last lines written since byte ``begin``."""
    with log.open("rb") as stream:
        stream.seek(begin)
        return "\n".join(stream.read().decode("utf-8", "replace").splitlines()[-lines:])
