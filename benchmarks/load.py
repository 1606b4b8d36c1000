"""Load generators for a ranking endpoint: wrk (closed loop, random slates) and h2load (constant rate)."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.served_world import ServedWorld

CANDIDATES = 100
_SCRIPT, _STATUSES = (Path(__file__).with_name(name) for name in ("slates.lua", "statuses.lua"))


@dataclass(frozen=True)
class Flood:
    """Results of requests sent at a constant rate."""

    started: np.ndarray
    """(requests,) seconds since 1970."""
    status: np.ndarray
    """(requests,) int HTTP status; -1 where there was no response."""
    taken_ms: np.ndarray
    """(requests,) milliseconds from request to response."""

    def counts(self) -> dict[int, int]:
        """Count requests by status."""
        return dict(sorted(Counter(self.status.tolist()).items()))

    def percentile_ms(self, percent: float) -> float:
        """Percentile of the latency of 200 responses."""
        succeeded = self.taken_ms[self.status == 200]
        return float(np.percentile(succeeded, percent)) if len(succeeded) else float("nan")


def check_tools() -> None:
    """Raise SystemExit where a tool is missing."""
    for tool in ("redis-server", "wrk", "h2load"):
        if which(tool) is None:
            raise SystemExit(f"{tool}: expected it on the path; found none. Install it (make redis load)")


def closed_loop(
    world: ServedWorld, address: str, seconds: float, connections: int = 8, pause_ms: float = 0
) -> dict[str, float]:
    """Run wrk; each connection pauses ``pause_ms`` milliseconds between requests on average (0 saturates the server).

    Returns requests, seconds, p50_ms, p99_ms, refused, broken.
    """
    arguments = [_path(world), _surface(world), len(world.members), len(world.items), CANDIDATES, pause_ms]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", "30s", "-s", _SCRIPT]
    done = subprocess.run(
        [*map(str, command), f"http://{address}", "--", *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def flood(world: ServedWorld, address: str, rate: float, seconds: float, connections: int) -> Flood:
    """Run h2load at ``rate`` requests per second, whatever the responses; all requests rank the same slate."""
    with TemporaryDirectory() as name:
        body, log = Path(name) / "body.json", Path(name) / "log.tsv"
        body.write_text(json.dumps(document(world)), encoding="utf-8")
        command = ["h2load", "--h1", f"-c{connections}", "-t1", f"-D{round(seconds)}", f"--rps={rate / connections}"]
        command += [f"--log-file={log}", "-d", str(body), "-H", "content-type: application/json"]
        subprocess.run(
            [*command, f"http://{address}{_path(world)}"], check=True, stdout=subprocess.DEVNULL, timeout=seconds + 60
        )
        rows = np.loadtxt(log, np.int64, delimiter="\t", usecols=(0, 1, 2), ndmin=2)
    return Flood(rows[:, 0] / 1e6, rows[:, 1], rows[:, 2] / 1e3)


def statuses(world: ServedWorld, address: str, seconds: float, connections: int = 4) -> Counter[int]:
    """Count responses by status (0 = none) while each connection requests one slate five times per second."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", "30s", "-s", str(_STATUSES)]
    done = subprocess.run(
        [*command, f"http://{address}", "--", _path(world), json.dumps(document(world))],
        check=True,
        capture_output=True,
        text=True,
    )
    return Counter({int(status): count for status, count in json.loads(done.stdout.splitlines()[-1]).items()})


def document(world: ServedWorld, member: int = 0) -> dict[str, object]:
    """A request."""
    context = {"surface": _surface(world)}
    return {"instances": [{"member": world.members[member], "items": world.items[:CANDIDATES], "context": context}]}


def _path(world: ServedWorld) -> str:
    return f"/v1/models/{world.name}:predict"


def _surface(world: ServedWorld) -> str:
    return world.spec.impressions.surfaces[0]
