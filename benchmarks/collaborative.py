"""Building one collaborative snapshot: ``python -m benchmarks.collaborative [--members N --items N --events N]``.

1 M members, 100 k items, 50 M events of a power-law world: a member's number of events and an item's popularity have
heavy tails. Measured is all of it: reading the events out of Parquet, the fit of base, item-item, positive item-item,
low rank and user-user, and writing the rows of all items and members, in a process of its own. Bars at any size: within
30 minutes and 16 GB.

Peer, in the same run at a smaller size: the same cosines by a dense product in NumPy and a full sort. It must find the
same weights; its time and memory grow with the square of the items.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.table import show
from feature_repo.collaborative.build import write_block
from feature_repo.collaborative.cuts import Cut
from feature_repo.collaborative.events import Events, Pairs
from feature_repo.collaborative.kept import KeptSnapshots
from feature_repo.collaborative.neighbors import cosine_neighbors
from feature_repo.collaborative.snapshot import matrix
from models.cpus import usable_cpus
from models.spec import Spec, parse_spec
from models.spec.collaborative_plans import collaborative_plans
from models.time_units import DAY

_START = 1_767_225_600_000_000
_DAYS = 30
_SECONDS, _GB = 1800.0, 16.0
_PEER = (20_000, 2_000, 600_000)
"""Members, items and events of the comparison with the peer."""
_BATCH = 5_000_000
_SPEC = """
name: collaborative_world
source: {adapter: professional}
nodes: {member: {key: member_id}, item: {key: item_id}}
edges:
  seen:
    table: events
    source: {node: member, column: member_id}
    target: {node: item, column: item_id}
    time: time
    kind: engagement
    domain: feed
    filter: {liked: [0]}
  liked: {table: events, source: {node: member, column: member_id}, target: {node: item, column: item_id}, time: time,
          kind: engagement, domain: feed, filter: {liked: [1]}}
impressions:
  member: {node: member, column: member_id}
  item: {node: item, column: item_id}
  surfaces: [feed]
  context: {}
  outcomes: [click]
tasks: {click: {label: click, primary: true}}
windows: {start: 2026-01-01, graph: {days: 20}, train: {days: 7}, validate: {days: 1}, gate: {days: 1}, test: {days: 1}}
home_domain: feed
collaborative:
  watched: {events: [seen, liked], outcome: [liked], kinds: [base, item_item, positive_item_item, low_rank, user_user]}
"""


def world_spec() -> Spec:
    """The spec of the world: one table of events, some of them liked."""
    return parse_spec(_SPEC, "collaborative.yaml")


def write_events(folder: Path, members: int, items: int, events: int) -> None:
    """Write ``events.parquet``, the same for the same size, in batches, so that memory stays small."""
    generator = np.random.default_rng(0)
    activity = np.cumsum(generator.pareto(1.5, members) + 0.1)
    popularity = np.cumsum(1 / np.arange(10, items + 10) ** 0.9)
    names = generator.permutation(items)
    kinds = {"member_id": pa.int64(), "item_id": pa.int64(), "time": pa.timestamp("us", "UTC"), "liked": pa.int8()}
    with pq.ParquetWriter(folder / "events.parquet", pa.schema(list(kinds.items()))) as writer:
        for first in range(0, events, _BATCH):
            rows = min(_BATCH, events - first)
            columns = [
                np.searchsorted(activity, generator.random(rows) * activity[-1]),
                names[np.searchsorted(popularity, generator.random(rows) * popularity[-1])],
                np.sort(generator.integers(0, _DAYS * DAY, rows)) + _START,
                (generator.random(rows) < 0.3).astype(np.int8),
            ]
            arrays = [pa.array(values).cast(kind) for values, kind in zip(columns, kinds.values(), strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=writer.schema))


def build(folder: Path) -> dict[str, Any]:
    """Build one snapshot of all events; seconds, peak memory of this process in GB, rows and bytes of its tables."""
    spec, started = world_spec(), perf_counter()
    plan = collaborative_plans(spec)["watched"]
    bounds: Any = {"memory_limit": "4GB", "temp_directory": str(folder / "spilled")}
    with duckdb.connect(config=bounds) as connection:
        events = Events(connection, spec, "watched", folder)
        cut = _START + _DAYS * DAY
        names = write_block(plan, events, [Cut(cut, cut + plan.delay, None)], KeptSnapshots(None), folder)
    files = [folder / f"{name}.parquet" for name in names]
    return {
        "seconds": perf_counter() - started,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "member_rows": pq.read_metadata(files[0]).num_rows,
        "item_rows": pq.read_metadata(files[1]).num_rows,
        "written_gb": sum(file.stat().st_size for file in files) / 1e9,
    }


def against_peer(folder: Path, most: int = 50) -> dict[str, Any]:
    """Neighbors by chunks of sparse rows and by a dense product: seconds of both, and whether the weights are equal."""
    write_events(folder, *_PEER)
    with duckdb.connect() as connection:
        pairs: Pairs = Events(connection, world_spec(), "watched", folder).before(_START + _DAYS * DAY)
    seen = matrix(pairs, np.ones(len(pairs.item), np.float32))
    started = perf_counter()
    rows, weights = cosine_neighbors(seen, most)
    ours = perf_counter() - started
    started = perf_counter()
    whole = seen.toarray()
    common = (whole.T @ whole).astype(np.float64)
    degree = np.diag(common)
    dense = common / np.sqrt(np.outer(degree, degree)) * (common / (common + 5))
    np.fill_diagonal(dense, 0.0)
    expected = -np.sort(-dense, axis=1)[:, :most]
    peer = perf_counter() - started
    found = np.zeros_like(expected)
    owner = np.repeat(np.arange(len(rows)), rows.lengths)
    found[owner, np.arange(len(owner)) - rows.starts[owner]] = weights
    return {"seconds": ours, "peer_seconds": peer, "same": bool(np.allclose(found, expected, rtol=1e-5, atol=1e-7))}


def in_a_process(folder: Path, what: str) -> dict[str, Any]:
    """The result of ``build`` or ``against_peer`` in a new Python process."""
    command = [sys.executable, "-m", "benchmarks.collaborative", "--run", what, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Write the world, build the snapshot, compare with the peer; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--run", choices=("build", "against_peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps({"build": build, "against_peer": against_peer}[options.run](options.folder)), flush=True)
        return 0
    with TemporaryDirectory() as folder:
        write_events(Path(folder), options.members, options.items, options.events)
        built = in_a_process(Path(folder), "build")
    with TemporaryDirectory() as folder:
        compared = in_a_process(Path(folder), "against_peer")
    figures: dict[str, float | int | str] = {
        "members": options.members,
        "items": options.items,
        "events": options.events,
        "cores": usable_cpus(),
        **built,
        "small_seconds": compared["seconds"],
        "small_peer_seconds": compared["peer_seconds"],
    }
    bars = {
        "within_30_minutes": built["seconds"] <= _SECONDS,
        "within_16_gb": built["peak_gb"] <= _GB,
        "same_neighbors_as_peer": compared["same"],
    }
    return show("collaborative", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
