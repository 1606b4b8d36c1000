"""A small Feast project over four Parquet files, on any offline store: every shape of view in one place."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Float32, Float64, Int64, String
from feast.value_type import ValueType

OURS = "feature_repo.stores.offline.AsOfOfflineStore"
HALF_DAY = 43_200_000_000
UTC = pa.timestamp("us", tz="UTC")
SHORT = ["plain:value", "plain:label", "pairs:count", "everyone:level", "named:vector"]


def project(folder: Path, store_type: str, **settings: Any) -> FeatureStore:
    """The applied project; its files are ``plain``, ``pairs``, ``everyone`` and ``named`` (.parquet) in ``folder``."""
    config = RepoConfig(
        project="shapes",
        provider="local",
        registry=str(folder / f"{store_type}.registry"),
        online_store={"type": "sqlite", "path": str(folder / f"{store_type}.online")},
        offline_store={"type": store_type, **settings},
        entity_key_serialization_version=3,
        repo_path=folder,
        materialization={"pull_latest_features": True},
    )
    store = FeatureStore(config=config)
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    name = Entity(name="name", join_keys=["name"], value_type=ValueType.STRING)
    views = _views(folder, key, name)

    @on_demand_feature_view(
        sources=[views[0], RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)])],
        schema=[Field(name="scaled", dtype=Float64)],
    )
    def scaling(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"scaled": inputs["value"].astype("float64") * inputs["factor"]})

    mapped = views[0].with_name("other").with_join_key_map({"key": "other_key"})
    service = FeatureService(name="all", features=[mapped, *views[1:], scaling])
    store.apply([key, name, *views, scaling, service])
    return store


def _views(folder: Path, key: Entity, name: Entity) -> list[FeatureView]:
    def source(file: str, **more: Any) -> FileSource:
        return FileSource(name=file, path=str(folder / f"{file}.parquet"), timestamp_field="at", **more)

    return [
        FeatureView(
            name="plain",
            entities=[key],
            ttl=timedelta(days=3),
            schema=[
                Field(name="key", dtype=Int64),
                Field(name="value", dtype=Float32),
                Field(name="label", dtype=String),
            ],
            source=source("plain", field_mapping={"raw": "value"}),
        ),
        FeatureView(
            name="pairs",
            entities=[key, name],
            schema=[Field(name="key", dtype=Int64), Field(name="name", dtype=String), Field(name="count", dtype=Int64)],
            source=source("pairs", created_timestamp_column="made"),
        ),
        FeatureView(
            name="everyone",
            ttl=timedelta(days=2),
            schema=[Field(name="level", dtype=Float64)],
            source=source("everyone", created_timestamp_column="made"),
        ),
        FeatureView(
            name="named",
            entities=[name],
            ttl=timedelta(days=1),
            schema=[Field(name="name", dtype=String), Field(name="vector", dtype=Array(Float32))],
            source=source("named"),
        ),
    ]


def write(folder: Path, file: str, columns: dict[str, Any], **types: pa.DataType) -> None:
    """One of the project's files; ``at`` and ``made`` come as half days since 1970, UTC."""
    schema = {
        "key": pa.int32(),
        "name": pa.string(),
        "at": UTC,
        "made": UTC,
        "raw": pa.float32(),
        "label": pa.string(),
        "count": pa.int64(),
        "level": pa.float64(),
        "vector": pa.list_(pa.float32()),
        **types,
    }
    table = {}
    for column, values in columns.items():
        kind = schema[column]
        if pa.types.is_timestamp(kind):
            scale = {"us": 1, "ms": 1000, "s": 1_000_000}.get(kind.unit, 0)
            ticks = [
                None if value is None else value * HALF_DAY * (1000 if kind.unit == "ns" else 1) // (scale or 1)
                for value in values
            ]
            table[column] = pa.array(ticks, pa.int64()).cast(kind)
        else:
            table[column] = pa.array(values, kind)
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


def entity_rows(rows: list[tuple[Any, Any, Any, Any]]) -> pd.DataFrame:
    """Entity rows from (key, name, other_key, half days since 1970), numbered, with the on-demand view's factor."""
    times = pd.to_datetime(pd.Series([row[3] * HALF_DAY // 1000 for row in rows], dtype="int64"), unit="ms", utc=True)
    return pd.DataFrame(
        {
            "row": range(len(rows)),
            "key": pd.array([row[0] for row in rows], dtype="Int64"),
            "name": pd.array([row[1] for row in rows], dtype="string"),
            "other_key": pd.array([row[2] for row in rows], dtype="Int64"),
            "event_timestamp": times,
            "factor": [2.0] * len(rows),
        }
    )
