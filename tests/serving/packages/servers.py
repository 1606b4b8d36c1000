"""BentoML and TorchServe servers, started with the package command's start line on free ports."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from serving.packages.torchserve import properties, start_line
from serving.settings.listening import LOOPBACK, free_port
from serving.settings.token import VARIABLE

SECONDS = 120.0
TOKEN = "a-token-for-the-tests"


@dataclass(frozen=True)
class Starting:
    """A server that is starting."""

    process: "subprocess.Popen[bytes]"
    client: httpx.Client
    ready: Callable[[], bool]

    def up(self) -> httpx.Client:
        """Wait until it is ready; returns its client."""
        deadline = time.monotonic() + SECONDS
        while True:
            with suppress(httpx.TransportError, OSError, ValueError, KeyError):
                if self.ready():
                    return self.client
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server is not ready"
            time.sleep(0.1)


@contextmanager
def bento_server(start: str, folder: Path) -> Iterator[Starting]:
    """``start``: the line that the command printed; ``folder``: for what BentoML writes. Its token is ``TOKEN``."""
    port = free_port(LOOPBACK)
    line = start.replace("--port 3000", f"--port {port}")
    with _running(line, folder) as process, _client(port) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        yield Starting(process, client, lambda: client.get("/readyz").status_code == 200)


@contextmanager
def torchserve_server(export: Path, name: str, state: Path) -> Iterator[tuple[Starting, httpx.Client]]:
    """The server and a client of its management port; each client sends its token."""
    first, second, *others = (free_port(LOOPBACK) for _ in range(5))
    (export / "config.properties").write_text(properties((first, second, *others)), encoding="utf-8")
    line = start_line(name).replace("<state folder>", str(state))
    with _running(line, export) as process, _client(first) as client, _client(second) as management:

        def healthy() -> bool:
            keys = json.loads((export / "key_file.json").read_text(encoding="utf-8"))
            client.headers["authorization"] = f"Bearer {keys['inference']['key']}"
            management.headers["authorization"] = f"Bearer {keys['management']['key']}"
            return bool(client.get("/ping").json() == {"status": "Healthy"})

        yield Starting(process, client, healthy), management


def _client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://{LOOPBACK}:{port}", timeout=20, trust_env=False)


@contextmanager
def _running(line: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A shell command with its own session, home and temporary folder; all its processes end with the block."""
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BENTOML_HOME": str(temporary),
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "OMP_NUM_THREADS": "1",
        VARIABLE: TOKEN,
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            line, shell=True, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        # BentoML's workers have their own sessions: list the process tree before its root ends.
        leader = psutil.Process(process.pid)
        begun = [leader, *leader.children(recursive=True)]
        for one in begun:
            with suppress(psutil.NoSuchProcess):
                one.terminate()
        for one in psutil.wait_procs(begun, 10)[1]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()
