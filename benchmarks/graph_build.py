"""Out-of-core graph build: ``python -m benchmarks.graph_build [--events N]``, 100 million events by default.

The events (1 M members, 0.5 M items, both skewed; 35 days; 1 % duplicates) are in a Parquet file before the clock
starts. The build reads them, numbers the nodes, drops duplicates, sorts both directions and stores them with digests,
in a separate process on two cores. Peer: the same work with numpy in memory, on fewer events.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.table import show
from models.features import FROZEN_TIME

_SPEC = """
name: events
timezone: UTC
source: {adapter: none}
nodes:
  member: {key: member_id}
  item: {key: item_id}
edges:
  engaged:
    table: events
    source: {node: member, column: member_id}
    target: {node: item, column: item_id}
    time: time
    kind: engagement
    domain: feed
impressions:
  member: {node: member, column: member_id}
  item: {node: item, column: item_id}
  surfaces: [feed]
  outcomes: [clicked]
tasks:
  click: {label: clicked, primary: true}
windows: {start: 2026-01-01, graph: {days: 35}, train: {days: 7}, validate: {days: 1}, gate: {days: 1}, test: {days: 1}}
home_domain: feed
"""
_MEMBERS, _ITEMS, _REPEATED = 1_000_000, 500_000, 100
_START, _SPAN = 1_767_225_600_000_000, 35 * 86_400_000_000
_TIME = pa.timestamp("us", tz="UTC")
_EVENTS = pa.schema([("member_id", pa.int64()), ("item_id", pa.int64()), ("time", _TIME)])
_SEEDS = {
    "impression_id": pa.int64(),
    "member_id": pa.int64(),
    "item_id": pa.int64(),
    "surface": pa.string(),
    "time": _TIME,
    "settled_time": _TIME,
    "clicked": pa.int64(),
    "window": pa.string(),
    FROZEN_TIME: _TIME,
}
_GIGABYTE = 1e9


def write_events(path: Path, events: int) -> None:
    """Write the random events in chunks."""
    random = np.random.default_rng(0)
    with parquet.ParquetWriter(path, _EVENTS) as writer:
        for start in range(0, events, 1_000_000):
            count = min(1_000_000, events - start)
            member = (_MEMBERS * random.random(count) ** 3).astype(np.int64)
            item = (_ITEMS * random.random(count) ** 3).astype(np.int64)
            moment = _START + random.integers(0, _SPAN, count)
            repeated = count // _REPEATED
            for column in (member, item, moment):
                column[count - repeated :] = column[:repeated]
            writer.write_table(pa.table([member, item, pa.array(moment, _TIME)], schema=_EVENTS))


def build(folder: Path, memory: int) -> dict[str, Any]:
    """Build the stored graph; return the figures."""
    from models.graph.build import build_graph
    from models.graph.engines.duckdb import DuckDB
    from models.spec import parse_spec

    started = time.perf_counter()
    engine = DuckDB(memory_limit=memory)
    manifest = build_graph(parse_spec(_SPEC), folder / "tables", folder / "training_set", folder / "graph", engine)
    seconds = time.perf_counter() - started
    stored = sum(path.stat().st_size for path in (folder / "graph").glob("edges_*.safetensors"))
    directions = sum(manifest["counts"]["edges"].values())
    return {"seconds": seconds, "bytes_per_edge_direction": stored / directions, "digest": manifest["digest"]}


def build_in_memory(folder: Path) -> dict[str, Any]:
    """Do the same with numpy: dense indices, duplicates dropped, both directions sorted and stored."""
    started = time.perf_counter()
    table = parquet.read_table(folder / "tables" / "events.parquet")
    member, item = (np.unique(table[name].to_numpy(), return_inverse=True)[1] for name in ("member_id", "item_id"))
    moment = table["time"].cast(pa.int64()).to_numpy()
    row = np.arange(len(moment))
    order = np.lexsort((row, item, moment, member))  # makes duplicate edges adjacent, in their original order
    same = np.ones(len(order), bool)
    for column in (member, item, moment):
        same[1:] &= column[order][1:] == column[order][:-1]
    same[0] = False
    kept = np.sort(order[~same])
    for name, owner, neighbour in (("forward", member, item), ("back", item, member)):
        order = kept[np.lexsort((kept, moment[kept], owner[kept]))]
        offsets = np.searchsorted(owner[order], np.arange(owner.max() + 2))
        np.savez(folder / name, offsets=offsets, target=neighbour[order].astype(np.int32), time=moment[order])
    return {"seconds": time.perf_counter() - started}


def alone(work: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """Run ``work`` in a fresh process on two cores; return its result and the process's peak memory."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_report, args=(sender, work, given))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def _report(sender: Connection, work: Callable[..., dict[str, Any]], given: tuple[object, ...]) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    found = work(*given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # resident pages, without the page cache
    sender.send({**found, "peak_gigabytes": peak / _GIGABYTE})


def measured(events: int, work: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """Measure ``work`` on that many events in a temporary folder."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tables", "training_set"):
            (folder / part).mkdir()
        for part in ("impressions", "frozen"):
            none = pa.table({column: pa.array([], kind) for column, kind in _SEEDS.items()})
            parquet.write_table(none, folder / "training_set" / f"{part}.parquet")
        write_events(folder / "tables" / "events.parquet", events)
        found = alone(work, folder, *given)
    return {"events": events, **found, "events_per_second": events / found["seconds"]}


def main() -> int:
    """Measure and print; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--peer-events", type=int, default=10_000_000, help="of the same work in memory")
    parser.add_argument("--memory", type=float, default=4.0, help="gigabytes that DuckDB may hold")
    options = parser.parse_args()
    peer = measured(min(options.peer_events, options.events), build_in_memory)
    found = measured(options.events, build, int(options.memory * _GIGABYTE))
    return show(
        "graph_build",
        {**found, **{f"numpy_in_memory_{name}": value for name, value in peer.items()}},
        {"more_events_per_second_than_the_peer": found["events_per_second"] > peer["events_per_second"]},
    )


if __name__ == "__main__":
    sys.exit(main())
