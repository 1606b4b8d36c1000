"""Real server processes with any limits, and helpers to probe them, break their store and read what they log."""

import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.server_process import ServerProcess, server_process
from serving.settings.limits import Limits
from tests.serving.world import World

_TIMEOUT = 90.0


class RunningServer(ServerProcess):
    """A server process with an HTTP client."""

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def client(self, **arguments: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, trust_env=False, **arguments)

    def probe(self, path: str) -> int | None:
        """Status of a probe; None while the port is closed."""
        try:
            return httpx.get(self.url + path, timeout=5, trust_env=False).status_code
        except httpx.TransportError:
            return None

    def stop(self) -> int:
        """Send SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_TIMEOUT)


@contextmanager
def running_server(world: World, folder: Path, limits: Limits, token_file: str = "") -> Iterator[RunningServer]:
    """A server of the world's champion, live inside the block and killed after it."""
    with server_process(world, folder, limits, token_file) as started:
        server = RunningServer(started.process, started.settings, started.log)
        wait_until(lambda: server.process.poll() is not None or server.probe("/v2/health/live") == 200)
        ended = server.process.poll()
        assert ended is None, f"status {ended}: {server.log.read_text(encoding='utf-8')}"
        yield server


def wait_until(condition: Callable[[], Any], seconds: float = _TIMEOUT) -> Any:
    """Poll the condition; returns its first true value, and fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)
    return found


@contextmanager
def broken_store(world: World) -> Iterator[None]:
    """The online store without its rows inside the block; a view keeps readers from making the table again."""
    with closing(sqlite3.connect(world.state / "feast" / "online.db", isolation_level=None)) as connection:
        connection.execute("ALTER TABLE rows RENAME TO hidden")
        connection.execute("CREATE VIEW rows AS SELECT 1 AS missing")
        try:
            yield
        finally:
            connection.execute("DROP VIEW rows")
            connection.execute("ALTER TABLE hidden RENAME TO rows")


def counter_value(client: httpx.Client, name: str) -> float:
    """A counter of /metrics by its name with labels; 0 if it is not there yet."""
    lines = [line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(lines[0][1]) if lines else 0.0


def logged_lines(folder: Path) -> list[dict[str, Any]]:
    """All lines of a served log."""
    return [
        json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().split(b"\n") if line
    ]
