"""A small product on a packed store: views with every kind of key, and hand-written histories."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from feature_repo.stores.online.bulk import write_table

START = 1_700_000_000_000_000
HOUR = 3_600_000_000
TTL = 6 * HOUR
"""Of ``item_stats`` and ``tag_counts``."""
STORES = {
    "sqlite": "feature_repo.stores.online.PackedSqliteOnlineStore",
    "redis": "feature_repo.stores.online.PackedRedisOnlineStore",
}
FEATURES = [
    "member_profile:country",
    "member_profile:age",
    "item_stats:score",
    "item_stats:tag",
    "item_stats:vector",
    "item_stats:fresh",
    "pair_counts:pair_shown",
    "tag_counts:tag_shown",
    "member_tag_counts:member_tag_shown",
    "overall:total",
]
DERIVED = {"tag": "item_stats:tag"}
CANDIDATE_KEYS = ["item_id"]
_TIME = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "member_profile": {"member_id": pa.int64(), "country": pa.string(), "age": pa.float32()},
    "item_stats": {
        "item_id": pa.string(),
        "score": pa.float32(),
        "tag": pa.string(),
        "vector": pa.list_(pa.float32()),
        "fresh": pa.bool_(),
    },
    "pair_counts": {"member_id": pa.int64(), "item_id": pa.string(), "pair_shown": pa.int64()},
    "tag_counts": {"tag": pa.string(), "tag_shown": pa.int64()},
    "member_tag_counts": {"member_id": pa.int64(), "tag": pa.string(), "member_tag_shown": pa.int64()},
    "overall": {"total": pa.int64()},
}
KEYS = {
    "member_profile": ["member_id"],
    "item_stats": ["item_id"],
    "pair_counts": ["member_id", "item_id"],
    "tag_counts": ["tag"],
    "member_tag_counts": ["member_id", "tag"],
    "overall": [],
}
EXPIRES = ("item_stats", "tag_counts")


@dataclass(frozen=True)
class World:
    """An applied store and the folder of its tables."""

    store: Any
    tables: Path

    def history(self, rows: Mapping[str, list[dict[str, Any]]]) -> None:
        """Write every view's table: its columns and ``time`` in microseconds."""
        for view in COLUMNS:
            parquet.write_table(self.table(view, rows.get(view, [])), self.tables / f"{view}.parquet")

    def online(self, rows: Mapping[str, list[dict[str, Any]]]) -> None:
        """Write rows into the online store, in their order."""
        for view, some in rows.items():  # not by pandas, where a null turns a column of int64 into floats
            write_table(self.store, self.store.get_feature_view(view), self.table(view, some), "time")

    @staticmethod
    def table(view: str, rows: list[dict[str, Any]]) -> pa.Table:
        """Rows as the view's table has them; an absent feature is null."""
        schema = pa.schema([*COLUMNS[view].items(), ("time", pa.int64())])
        table = pa.Table.from_pylist(rows, schema=schema)
        return table.set_column(table.num_columns - 1, "time", table["time"].cast(_TIME))


def open_world(folder: Path, kind: str, address: str | None = None) -> World:
    """The product on an online store of that kind (a key of ``STORES``), applied; nothing is written yet."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Array, Bool, Float32, Int64, String

    types = {
        pa.int64(): Int64,
        pa.string(): String,
        pa.float32(): Float32,
        pa.bool_(): Bool,
        pa.list_(pa.float32()): Array(Float32),
    }
    online = {"path": str(folder / "online.db")} if kind == "sqlite" else {"connection_string": address}
    tables = folder / "tables"
    tables.mkdir(parents=True)
    config = RepoConfig(
        project="slates",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": STORES[kind], **online},
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
    )
    entities = {
        "member_id": Entity(name="member", join_keys=["member_id"], value_type=ValueType.INT64),
        "item_id": Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING),
        "tag": Entity(name="tag", join_keys=["tag"], value_type=ValueType.STRING),
    }
    world = World(FeatureStore(config=config), tables)
    world.history({})
    views = [
        FeatureView(
            name=view,
            entities=[entities[key] for key in KEYS[view]],
            schema=[Field(name=name, dtype=types[kind]) for name, kind in columns.items()],
            source=FileSource(name=view, path=str(tables / f"{view}.parquet"), timestamp_field="time"),
            ttl=timedelta(microseconds=TTL) if view in EXPIRES else None,
            online=True,
        )
        for view, columns in COLUMNS.items()
    ]
    world.store.apply([*entities.values(), *views])
    return world


def plain(column: Any, valid: np.ndarray) -> list[Any]:
    """A column as plain Python, None where it is null."""
    values = column.to_lists() if hasattr(column, "to_lists") else column.tolist()
    return [value if shown else None for value, shown in zip(values, valid, strict=True)]
