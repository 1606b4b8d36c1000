"""Online reads of a slate from Redis: ``python -m benchmarks.online_read [--reads N]``, 1,000 reads by default.

One member (10 float features) and 100 of 5,000 items (50 float features). The slate reader on the packed store is
compared with Feast's SDK, ``get_online_features`` and its asynchronous version, on Feast's stock Redis store. All use
one private redis-server, the same values and the same slates, in turns of 100 reads (alternating single reads would
slow each other down: ours by a factor of 2.5). The SDK gets one row per candidate with the member's key in each, as
its users do; converting its response to a dict is not counted. The three results for the first slate are compared
before the clock starts.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import show

_ITEMS, _MEMBERS, _CANDIDATES = 5_000, 1_000, 100
_ITEM_FEATURES = [f"item_{i}" for i in range(50)]
_MEMBER_FEATURES = [f"member_{i}" for i in range(10)]
_FEATURES = [f"item:{name}" for name in _ITEM_FEATURES] + [f"member:{name}" for name in _MEMBER_FEATURES]
_WARM_UP, _TURN = 5, 100
"""Warm-up reads at the start of a turn, and counted reads."""

Read = Callable[[int, Sequence[int]], Awaitable[Any]]


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a redis-server on a free port, in memory only; yield its ``host:port``."""
    server = shutil.which("redis-server")
    if server is None:
        raise SystemExit("redis-server: expected it on the path; found none. Install it (make redis)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with TemporaryDirectory() as folder:
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            next(line for line in process.stdout if "Ready to accept connections" in line)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def open_store(folder: Path, online_store: Mapping[str, str]) -> Any:
    """Apply the two views to a Feast store with that online store."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float32, Int64

    folder.mkdir()
    config = RepoConfig(
        project="online_read",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store=dict(online_store),
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    for name, features in (("item", _ITEM_FEATURES), ("member", _MEMBER_FEATURES)):
        key = f"{name}_id"
        entity = Entity(name=name, join_keys=[key], value_type=ValueType.INT64)
        source = FileSource(name=name, path=str(folder / f"{name}.parquet"), timestamp_field="time")
        schema = [Field(name=key, dtype=Int64), *(Field(name=feature, dtype=Float32) for feature in features)]
        store.apply([entity, FeatureView(name=name, entities=[entity], schema=schema, source=source)])
    return store


def write(store: Any) -> None:
    """Write the random rows, the same into every store."""
    random = np.random.default_rng(0)
    for name, rows, features in (("item", _ITEMS, _ITEM_FEATURES), ("member", _MEMBERS, _MEMBER_FEATURES)):
        values = random.standard_normal((rows, len(features)), np.float32)
        table = pd.DataFrame(values, columns=features)
        table.insert(0, f"{name}_id", np.arange(rows))
        table["time"] = pd.Timestamp(datetime(2026, 1, 1, tzinfo=UTC)).as_unit("us")
        store.write_to_online_store(name, table)


def slates(count: int) -> list[tuple[int, list[int]]]:
    """Draw members and their candidates."""
    random = np.random.default_rng(1)
    return [
        (int(random.integers(_MEMBERS)), random.choice(_ITEMS, _CANDIDATES, replace=False).tolist())
        for _ in range(count)
    ]


async def measure(readers: Mapping[str, Read], requests: Sequence[tuple[int, list[int]]]) -> dict[str, np.ndarray]:
    """Milliseconds of every read, by reader; readers take turns, and the first reads of a turn are not counted."""
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for start in range(0, len(requests), _TURN):
        turn = requests[start : start + _TURN]
        for name, read in readers.items():
            for member, items in turn[:_WARM_UP]:
                await read(member, items)
            for member, items in turn:
                started = time.perf_counter()
                await read(member, items)
                taken[name].append((time.perf_counter() - started) * 1e3)
    return {name: np.array(times) for name, times in taken.items()}


def _entities(member: int, items: Sequence[int]) -> dict[str, list[int]]:
    return {"member_id": [member] * len(items), "item_id": list(items)}


async def _compare(readers: Mapping[str, Read], member: int, items: Sequence[int]) -> None:
    slate = await readers["slate"](member, items)
    for name in ("feast", "feast_async"):
        response = (await readers[name](member, items)).to_dict()
        for feature in _ITEM_FEATURES:
            np.testing.assert_array_equal(slate.candidates[feature], np.array(response[feature], np.float32))
        for feature in _MEMBER_FEATURES:
            np.testing.assert_array_equal(
                slate.shared[feature][[0] * len(items)], np.array(response[feature], np.float32)
            )


async def compared(folder: Path, address: str, reads: int) -> dict[str, float]:
    """Percentiles of each reader, and the slate reader's speedup."""
    from feature_repo.slate import SlateReader

    stock = open_store(folder / "stock", {"type": "redis", "connection_string": f"{address},db=0"})
    kind = "feature_repo.stores.online.PackedRedisOnlineStore"
    packed = open_store(folder / "packed", {"type": kind, "connection_string": f"{address},db=1"})
    for store in (stock, packed):
        write(store)

    async def feast(member: int, items: Sequence[int]) -> Any:
        return stock.get_online_features(features=_FEATURES, entity_rows=_entities(member, items))

    async def feast_async(member: int, items: Sequence[int]) -> Any:
        return await stock.get_online_features_async(features=_FEATURES, entity_rows=_entities(member, items))

    async with SlateReader(packed, _FEATURES, ["item_id"], fallback="error", deadline=1.0) as reader:

        async def slate(member: int, items: Sequence[int]) -> Any:
            return await reader.read({"member_id": member}, {"item_id": items})

        readers: dict[str, Read] = {"slate": slate, "feast": feast, "feast_async": feast_async}
        requests = slates(reads)
        await _compare(readers, *requests[0])
        taken = await measure(readers, requests)
    found: dict[str, float] = {}
    for percent in (50, 99):
        at = {name: float(np.percentile(times, percent)) for name, times in taken.items()}
        found |= {f"{name}_p{percent}_ms": value for name, value in at.items()}
        found[f"times_better_p{percent}"] = at["feast"] / at["slate"]
        found[f"times_better_than_async_p{percent}"] = at["feast_async"] / at["slate"]
    return found


def main() -> int:
    """Measure and print; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=1_000)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with running_redis() as address, TemporaryDirectory() as name:
        found = asyncio.run(compared(Path(name), address, options.reads))
    bars = {f"{name}_above_1": found[f"{name}_p50"] > 1 for name in ("times_better", "times_better_than_async")}
    return show("online_read", {"reads": options.reads, "load_before": load, **found}, bars)


if __name__ == "__main__":
    sys.exit(main())
