"""The endpoint under load: ``python -m benchmarks.endpoint [--quick]``; about five minutes, or two.

Setup: a private redis-server, one KServe worker (without the proxy of ``up``), the simulated network's default model
with random weights, 100 candidates per request. Load generator, store and server share this machine's cores.
``make redis load`` installs the tools.

1. Speed: wrk with 8 connections in a closed loop (8 requests are always in flight, so latency determines throughput);
   the same 8 connections with a random pause before each request, at less than half of that load (latency of a server
   that is not saturated); the naive implementation (``benchmarks.naive_endpoint``), also with 8 connections. Both must
   first return the same slate. Then the same model with 300 boosted trees for each task beside the network, and the
   network alone, each with one request at a time, in turns.
2. Overload: h2load at twice the throughput of 1. Every response counts; memory is read every second.
3. Faults under load (``benchmarks.endpoint_faults``), through the proxy: Redis killed, a version tampered with, the
   worker killed.

The bars are printed at the end, each held or broken; sections that were skipped have none.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]

from benchmarks.load import check_tools, closed_loop, document, flood
from benchmarks.online_read import running_redis
from benchmarks.served_world import ServedWorld, build
from benchmarks.server_process import RUNTIME, server_process
from benchmarks.table import show
from models.cpus import usable_cpus
from serving.settings.limits import Limits

_CONNECTIONS, _CROWD = 8, 128
_TREES, _TURNS = 300, 3
_NAIVE = "import sys, pathlib; from benchmarks.naive_endpoint import serve; serve(pathlib.Path(sys.argv[1]))"
_START_SECONDS = 90.0


@contextmanager
def server(world: ServedWorld, folder: Path, naive: bool = False) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server of the champion; yield its address and process once it is ready."""
    folder.mkdir()
    start = ["-c", _NAIVE] if naive else RUNTIME
    with server_process(world, folder, Limits(), start=start) as started:
        process, ready_at = started.process, f"http://{started.address}/v2/models/{world.name}/ready"
        waited = came_true(lambda: process.poll() is not None or responds(ready_at), _START_SECONDS)
        if waited == math.inf or process.poll() is not None:
            raise SystemExit(started.log.read_text(encoding="utf-8"))
        yield started.address, process


def responds(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def came_true(condition: Callable[[], Any], seconds: float) -> float:
    """Seconds until the condition holds; infinity where it does not in time."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if condition():
            return time.monotonic() - begin
        time.sleep(0.01)
    return math.inf


def first_slate(world: ServedWorld, address: str) -> dict[Any, dict[str, float]]:
    """Probabilities by item, requested for a fixed time."""
    request: Any = document(world)
    request["instances"][0]["context"]["time"] = "2026-11-01T12:00:00+00:00"
    response = httpx.post(f"http://{address}/v1/models/{world.name}:predict", json=request, timeout=60, trust_env=False)
    response.raise_for_status()
    return {each["item"]: each["probabilities"] for each in response.json()["predictions"][0]["slate"]}


def agree(ours: dict[Any, dict[str, float]], theirs: dict[Any, dict[str, float]]) -> None:
    """Raise where two responses differ."""
    for item, chances in ours.items():
        for task, chance in chances.items():
            if abs(chance - theirs[item][task]) > 1e-5:
                raise SystemExit(
                    f"item {item}, {task}: expected {theirs[item][task]} as the naive build; found {chance}"
                )


def speed(world: ServedWorld, address: str, process: int, folder: Path, seconds: float) -> dict[str, float]:
    """Measure section 1, speed."""
    closed_loop(world, address, 3)  # warm
    before = _processor_seconds(process)
    ours = closed_loop(world, address, seconds)
    used = _processor_seconds(process) - before
    throughput = ours["requests"] / ours["seconds"]
    spaced = closed_loop(world, address, seconds, _CONNECTIONS, pause_ms=2e3 * _CONNECTIONS / throughput)
    with server(world, folder / "naive", naive=True) as (naive_address, _):
        agree(first_slate(world, address), first_slate(world, naive_address))
        naive = closed_loop(world, naive_address, max(seconds, 20))
    naive_throughput = naive["requests"] / naive["seconds"]
    return {
        "p50_ms": ours["p50_ms"],
        "p99_ms": ours["p99_ms"],
        "requests_per_second": throughput,
        "failed": ours["refused"] + ours["broken"],
        "processor_ms_per_request": 1e3 * used / ours["requests"],
        "spaced_requests_per_second": spaced["requests"] / spaced["seconds"],
        "spaced_p50_ms": spaced["p50_ms"],
        "spaced_p99_ms": spaced["p99_ms"],
        "naive_p50_ms": naive["p50_ms"],
        "naive_requests_per_second": naive_throughput,
        "times_naive": throughput / naive_throughput,
        "spaced_times_naive": spaced["requests"] / spaced["seconds"] / naive_throughput,
    }


def trees(world: ServedWorld, address: str, folder: Path, seconds: float) -> dict[str, float]:
    """Measure what trees beside the network add to a response's time; ``world`` and ``address`` are without them."""
    (folder / "trees_world").mkdir()
    found: dict[str, list[float]] = {"network": [], "pair": [], "failed": []}
    with running_redis() as redis:
        both = build(folder / "trees_world", redis, trees=_TREES)
        assert (folder / "trees_world" / "model" / "trees.json").is_file(), "the model has no trees"
        with server(both, folder / "trees") as (other, _):
            for turn in range(_TURNS + 1):  # the first warms up
                for name, served, at in (("network", world, address), ("pair", both, other)):
                    loop = closed_loop(served, at, seconds / _TURNS, connections=1)
                    found["failed"].append(loop["refused"] + loop["broken"])
                    if turn:
                        found[name].append(loop["p50_ms"])
    network, pair = (statistics.median(found[name]) for name in ("network", "pair"))
    return {
        "one_connection_p50_ms": network,
        "one_connection_p50_with_trees_ms": pair,
        "trees_added_p50_ms": pair - network,
        "trees_failed": sum(found["failed"]),
    }


def _processor_seconds(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def overload(world: ServedWorld, address: str, process: int, rate: float, seconds: float) -> dict[str, float]:
    """Measure section 2, overload with ``rate`` requests per second."""
    resident: list[float] = []
    over = threading.Event()
    watched = psutil.Process(process)

    def watch() -> None:
        while not over.wait(1.0):
            resident.append(watched.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    crowd = flood(world, address, rate, seconds, _CROWD)
    over.set()
    watching.join()
    recovered = came_true(lambda: _in_time(world, address), 30.0)
    counts = crowd.counts()
    fifth = max(1, len(resident) // 5)  # the first fifth is the warm-up
    settled, last = resident[fifth : 2 * fifth] or resident, resident[-fifth:]
    return {
        "overload_asked_per_second": rate,
        "overload_sent_per_second": len(crowd.status) / seconds,
        "overload_200": counts.pop(200, 0),
        "overload_429": counts.pop(429, 0),
        "overload_other": sum(counts.values()),
        "overload_p99_of_200_ms": crowd.percentile_ms(99),
        "overload_memory_growth_percent": 100 * (statistics.median(last) / statistics.median(settled) - 1),
        "overload_recovery_seconds": recovered,
    }


def _in_time(world: ServedWorld, address: str, milliseconds: float = 40.0) -> bool:
    begin = time.perf_counter()
    response = httpx.post(
        f"http://{address}/v1/models/{world.name}:predict", json=document(world), timeout=30, trust_env=False
    )
    return response.status_code == 200 and (time.perf_counter() - begin) * 1e3 < milliseconds


def bars(found: Mapping[str, float]) -> dict[str, bool]:
    """Compare the figures with the bars."""
    at_most = {
        "p50_ms": 15.0,
        "p99_ms": 40.0,
        "spaced_p50_ms": 15.0,
        "spaced_p99_ms": 40.0,
        "trees_added_p50_ms": 4.5,
        "trees_failed": 0,
        "failed": 0,
        "overload_other": 0,
        "overload_memory_growth_percent": 5.0,
        "overload_recovery_seconds": 2.0,
        "redis_killed_not_200": 0,
        "redis_killed_recovery_seconds": 2.0,
        "tampered_version_not_200": 0,
        "worker_killed_not_200_or_503": 0,
        "worker_killed_503_without_retry_after": 0,
        "worker_killed_recovery_seconds": 30.0,
    }
    held = {f"{name}_at_most_{most:g}": found[name] <= most for name, most in at_most.items() if name in found}
    if "times_naive" in found:
        held["times_naive_at_least_10"] = found["times_naive"] >= 10
    if "tampered_version_refused" in found:
        held["tampered_version_refused"] = bool(found["tampered_version_refused"])
    return held


def main() -> int:
    """Measure and print; return 1 where a bar does not hold."""
    from benchmarks.endpoint_faults import faults

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seconds instead of a minute")
    parser.add_argument("--only", choices=["speed", "overload", "faults"], help="one section (overload includes speed)")
    options = parser.parse_args()
    check_tools()
    seconds, long = (6.0, 10.0) if options.quick else (20.0, 60.0)
    found: dict[str, float] = {"cores": usable_cpus(), "load_before": os.getloadavg()[0]}
    with TemporaryDirectory() as name:
        folder = Path(name)
        with running_redis() as redis:
            (folder / "world").mkdir()
            world = build(folder / "world", redis)
            if options.only != "faults":
                with server(world, folder / "ours") as (address, process):
                    found |= speed(world, address, process.pid, folder, seconds)
                    found |= trees(world, address, folder, seconds)
                    if options.only != "speed":
                        found |= overload(world, address, process.pid, 2 * found["requests_per_second"], long)
        if options.only in (None, "faults"):
            found |= faults(folder / "faults", seconds)
    return show("endpoint", {**found, "load_after": os.getloadavg()[0]}, bars(found))


if __name__ == "__main__":
    sys.exit(main())
