"""Materialization of a view into Redis: ``python -m benchmarks.materialise [--keys N] [--peer-keys N]``.

One view of 10 float features with two versions per key (200,000 keys by default), from Parquet through the offline
store and the quality gate into the packed Redis store. Peer: ``FeatureStore.materialize`` with Feast's stock duckdb and
Redis stores, on the same kind of table with fewer keys (20,000). Both use one private redis-server. The clock runs
from the call until Feast's registry records the interval. Values are compared before figures are shown.
"""

import argparse
import contextlib
import io
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from benchmarks.online_read import running_redis
from benchmarks.table import show
from models.cpus import usable_cpus
from models.spec import Spec, parse_spec

_START = datetime(2026, 1, 1, tzinfo=UTC)
_END = _START + timedelta(days=2)
_FEATURES = [f"feature_{number}" for number in range(10)]
_SPEC = f"""
name: benchmark
source: {{adapter: none}}
nodes:
  member:
    key: member_id
    views:
      profile:
        table: profile
        fresh_within_days: 2
        features: {{{", ".join(f"{name}: number" for name in _FEATURES)}}}
        expectations: {{{", ".join(f"{name}: {{nulls: 0, min: -10, drift: 0.2}}" for name in _FEATURES)}}}
  post: {{key: post_id}}
edges:
  clicked:
    table: impressions
    source: {{node: member, column: member_id}}
    target: {{node: post, column: post_id}}
    time: settled_time
    kind: engagement
    domain: feed
    filter: {{clicked: [1]}}
impressions:
  member: {{node: member, column: member_id}}
  item: {{node: post, column: post_id}}
  surfaces: [feed]
  outcomes: [clicked]
tasks: {{click: {{label: clicked, primary: true}}}}
windows: {{start: 2026-01-01}}
home_domain: feed
"""


def write_tables(folder: Path, keys: int) -> None:
    """Write two versions of every key, and one impression."""
    folder.mkdir()
    random = np.random.default_rng(0)
    stamp = pa.timestamp("us", tz="UTC")
    times = np.repeat([_START, _START + timedelta(days=1)], keys)
    columns: dict[str, Any] = {"member_id": np.tile(np.arange(keys), 2), "valid_from": pa.array(times, stamp)}
    columns |= {name: random.standard_normal(2 * keys, np.float32) for name in _FEATURES}
    pq.write_table(pa.table(columns), folder / "profile.parquet")
    one = {"impression_id": [1], "member_id": [0], "post_id": [1], "surface": ["feed"], "clicked": [1]}
    moments = {name: pa.array([_START], stamp) for name in ("time", "settled_time")}
    pq.write_table(pa.table({**one, **moments}), folder / "impressions.parquet")


def open_applied(folder: Path, spec: Spec, keys: int, online: dict[str, str], offline: str) -> Any:
    """Open a Feast store with these offline and online stores, over tables with that many keys."""
    from feature_repo.applied import pushed_folder
    from feature_repo.apply import apply
    from feature_repo.store import open_store

    folder.mkdir()
    write_tables(folder / "tables", keys)
    settings = {
        "project": folder.name,
        "provider": "local",
        "registry": {"registry_type": "sql", "path": "sqlite:///registry.db"},
        "online_store": online,
        "offline_store": {"type": offline},
        "materialization": {"pull_latest_features": True, "online_write_batch_size": 10_000},
        "entity_key_serialization_version": 3,
    }
    config = folder / "feature_store.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    store = open_store(config, folder)
    tables = (folder / "tables").resolve()
    apply(store, spec, tables, str(tables), pushed_folder(str(tables.parent), store.project))
    return store


def _values(store: Any, key: int) -> list[float]:
    references = [f"profile:{name}" for name in _FEATURES]
    found = store.get_online_features(features=references, entity_rows=[{"member_id": key}]).to_dict()
    return [found[name][0] for name in _FEATURES]


def _newest(folder: Path, key: int, keys: int) -> list[float]:
    table = pq.read_table(folder / "tables" / "profile.parquet", columns=_FEATURES)
    return [table[name][keys + key].as_py() for name in _FEATURES]


def main() -> int:
    """Measure and print; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--peer-keys", type=int, default=20_000)
    sizes = parser.parse_args()
    from feature_repo.materialise import materialize

    spec = parse_spec(_SPEC)
    until = int(_END.timestamp()) * 1_000_000
    with running_redis() as address, TemporaryDirectory() as scratch:
        ours, peer = Path(scratch) / "ours", Path(scratch) / "peer"
        packed = {"type": "feature_repo.stores.online.PackedRedisOnlineStore", "connection_string": address}
        store = open_applied(ours, spec, sizes.keys, packed, "feature_repo.stores.offline.AsOfOfflineStore")
        seconds = []
        for _ in range(2):  # the second run replaces every row and checks drift
            started = time.perf_counter()
            written = materialize(store, spec, until)
            seconds.append(time.perf_counter() - started)
        stock = open_applied(peer, spec, sizes.peer_keys, {"type": "redis", "connection_string": address}, "duckdb")
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):  # hide the progress bar
            stock.materialize(_START, _END, feature_views=["profile"])
        peer_seconds = time.perf_counter() - started
        for folder, opened, keys in ((ours, store, sizes.keys), (peer, stock, sizes.peer_keys)):
            if _values(opened, keys - 1) != _newest(folder, keys - 1, keys):
                raise SystemExit(f"{folder.name}: the values that were written are not the newest ones")
    rows, peer_rows = written["profile"] / seconds[1], sizes.peer_keys / peer_seconds
    times = min(written["profile"] / max(seconds), rows) / peer_rows
    return show(
        "materialise",
        {
            "cores": usable_cpus(),
            "keys": sizes.keys,
            "features": len(_FEATURES),
            "first_rows_per_second": written["profile"] / seconds[0],
            "again_rows_per_second": rows,
            "feast_keys": sizes.peer_keys,
            "feast_rows_per_second": peer_rows,
            "times_faster": times,
        },
        {"faster_than_the_peer": times > 1},
    )


if __name__ == "__main__":
    sys.exit(main())
