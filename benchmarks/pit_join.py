"""Point-in-time retrieval through Feast: ``python -m benchmarks.pit_join [--scale 1.0] [--days 90] [--without-peer]``.

5 M feature rows (5 thousand keys, 1000 versions each within ``--days``, four float features, sorted by time), 500 k
entity rows at random times, TTL 30 days. The measured call is ``get_historical_features(...).to_arrow()``, cold, each
in its own process, so that peak memory is that of one retrieval, Python and Feast included. Ours runs twice, and
both results must have the same digest; the figure is the slower one. Peer: Feast's own duckdb store, once, in the same
run; its result, sorted by row, must have that digest too. At full size and 90 days the peer takes some 16 GB.

The peer joins every version within the TTL before it keeps one, so its time depends on ``--days``; ours does not.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.table import show
from models.cpus import usable_cpus

_FEATURE_ROWS, _ENTITY_ROWS, _VERSIONS, _TTL_DAYS = 5_000_000, 500_000, 1000, 30
_START, _DAY = 1_735_689_600_000_000, 86_400_000_000
_DAYS = 90
"""With it the peer joins some 280 versions per entity row; with 365 days some 80."""
_TIME = pa.timestamp("us", tz="UTC")
_FEATURES = ("f0", "f1", "f2", "f3")
_STORES = {"ours": "feature_repo.stores.offline.AsOfOfflineStore", "peer": "duckdb"}


def write_tables(folder: Path, scale: float, days: int = _DAYS) -> None:
    """Write ``features.parquet`` and ``entities.parquet``: the same for the same scale and days."""
    generator, span = np.random.default_rng(0), days * _DAY
    rows = int(_FEATURE_ROWS * scale)
    keys = max(1, rows // _VERSIONS)
    features = {
        "key": generator.permutation(np.arange(rows) % keys),
        "event_timestamp": pa.array(np.sort(generator.integers(0, span, rows)) + _START, _TIME),
        **{name: generator.standard_normal(rows, dtype=np.float32) for name in _FEATURES},
    }
    pq.write_table(pa.table(features), folder / "features.parquet")
    rows = int(_ENTITY_ROWS * scale)
    moments = pa.array(generator.integers(0, span, rows) + _START, _TIME)
    entities = {"row": np.arange(rows), "key": generator.integers(0, keys, rows), "event_timestamp": moments}
    pq.write_table(pa.table(entities), folder / "entities.parquet")


def retrieve(folder: Path, store_type: str) -> dict[str, Any]:
    """One cold retrieval: seconds, peak memory of this process in GB, digest of the result in order of ``row``, ..."""
    from datetime import timedelta

    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float32, Int64

    config = RepoConfig(
        project="pit_join",
        provider="local",
        registry=str(folder / f"{store_type}.registry"),
        online_store={"type": "sqlite", "path": str(folder / f"{store_type}.online")},
        offline_store={"type": store_type},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    source = FileSource(path=str(folder / "features.parquet"), timestamp_field="event_timestamp")
    entity = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    schema = [Field(name="key", dtype=Int64), *(Field(name=name, dtype=Float32) for name in _FEATURES)]
    view = FeatureView(name="view", entities=[entity], ttl=timedelta(days=_TTL_DAYS), schema=schema, source=source)
    store.apply([entity, view])
    entities = pq.read_table(folder / "entities.parquet").to_pandas()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = perf_counter()
    retrieved = store.get_historical_features(entities, [f"view:{name}" for name in _FEATURES]).to_arrow()
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": seconds,
        "peak_gb": peak * 1024 / 1e9,
        "before_gb": before * 1024 / 1e9,
        "rows": retrieved.num_rows,
        "found": retrieved.num_rows - retrieved[_FEATURES[0]].null_count,
        "in_order": retrieved["row"].equals(pa.chunked_array([np.arange(retrieved.num_rows)])),
        "digest": digest(retrieved.sort_by("row")),
    }


def digest(table: pa.Table) -> str:
    """A digest of names, types and values."""
    sha = hashlib.sha256()
    for name in sorted(table.column_names):
        column = table[name].combine_chunks()
        sha.update(f"{name}:{column.type}".encode())
        kind = column.type if pa.types.is_floating(column.type) else pa.int64()
        sha.update(np.asarray(column.is_valid()).tobytes())
        sha.update(column.cast(kind).fill_null(0).to_numpy(zero_copy_only=False).tobytes())
    return sha.hexdigest()


def in_a_process(folder: Path, who: str) -> dict[str, Any]:
    """The result of `retrieve` in a new Python process."""
    command = [sys.executable, "-m", "benchmarks.pit_join", "--retrieve", who, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Write the tables, let each retrieve, compare; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows; versions per key stay")
    parser.add_argument("--days", type=int, default=_DAYS, help="days over which the versions of a key are spread")
    parser.add_argument("--without-peer", action="store_true", help="measure ours alone")
    parser.add_argument("--retrieve", choices=_STORES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.retrieve:
        print(json.dumps(retrieve(options.folder, _STORES[options.retrieve])), flush=True)
        return 0
    with TemporaryDirectory() as folder:
        write_tables(Path(folder), options.scale, options.days)
        ours = [in_a_process(Path(folder), "ours") for _ in range(2)]
        peer = None if options.without_peer else in_a_process(Path(folder), "peer")
    seconds = max(found["seconds"] for found in ours)
    figures: dict[str, float | int | str] = {
        "days": options.days,
        "feature_rows": int(_FEATURE_ROWS * options.scale),
        "entity_rows": ours[0]["rows"],
        "found_rows": ours[0]["found"],
        "cores": usable_cpus(),
        "seconds": seconds,
        "peak_gb": max(found["peak_gb"] for found in ours),
        "before_retrieval_gb": ours[0]["before_gb"],
    }
    bars = {
        "in_order_of_entities": all(found["in_order"] for found in ours),
        "identical_runs": ours[0]["digest"] == ours[1]["digest"],
    }
    if peer is not None:
        figures |= {
            "peer_seconds": peer["seconds"],
            "peer_peak_gb": peer["peak_gb"],
            "times_the_peer": peer["seconds"] / seconds,
        }
        bars |= {
            "identical_to_peer": peer["digest"] == ours[0]["digest"],
            "faster_than_the_peer": peer["seconds"] > seconds,
        }
    return show("pit_join", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
