"""Views of every packed type on Feast's stock store and on ours, and rows written through Feast."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from tests.feature_repo.packed.test_pack import values

PACKED = "feature_repo.stores.online.Packed{}OnlineStore"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = st.integers(-(10**10), 10**10)
PAST = 1_700_000_000
"""Seconds: Feast hands rows to a store that refuses times ahead of the clock."""
FEAST = {
    "int64": "INT64",
    "timestamp": "UNIX_TIMESTAMP",
    "float64": "DOUBLE",
    "int32": "INT32",
    "float32": "FLOAT",
    "bool": "BOOL",
    "string": "STRING",
    "bytes": "BYTES",
}
TYPES = {f"{kind}{many}": f"{name}{'_LIST' if many else ''}" for kind, name in FEAST.items() for many in ("", "[]")}
NAMES = {kind: kind.replace("[]", "_array") for kind in TYPES}
KEYS: dict[str, dict[str, Any]] = {
    "by_member": {"member": 7},
    "by_pair": {"tag": "ü", "member": -7},
    "alone": {},
}
RECORD = st.fixed_dictionaries(
    {
        kind: st.none() | (st.lists(SECONDS, max_size=3) if kind.endswith("[]") else SECONDS)
        if kind.startswith("timestamp")
        else values(kind)
        for kind in TYPES
    }
)


def views(folder: Path) -> dict[str, Any]:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import VALUE_TYPES_TO_FEAST_TYPES

    member = Entity(name="member", join_keys=["member"], value_type=ValueType.INT64)
    tag = Entity(name="tag", join_keys=["tag"], value_type=ValueType.STRING)
    source = FileSource(path=str(folder / "none.parquet"), timestamp_field="at", created_timestamp_column="made")
    schema = [Field(name=NAMES[k], dtype=VALUE_TYPES_TO_FEAST_TYPES[ValueType[name]]) for k, name in TYPES.items()]
    keys = [Field(name="member", dtype=VALUE_TYPES_TO_FEAST_TYPES[ValueType.INT64])]
    pair = [*keys, Field(name="tag", dtype=VALUE_TYPES_TO_FEAST_TYPES[ValueType.STRING])]
    common: dict[str, Any] = {"source": source, "ttl": timedelta(0)}
    return {
        "entities": [member, tag],
        "by_member": FeatureView(name="by_member", entities=[member], schema=schema + keys, **common),
        "by_pair": FeatureView(name="by_pair", entities=[member, tag], schema=schema + pair, **common),
        "alone": FeatureView(name="alone", entities=[], schema=schema, **common),
    }


def open_store(folder: Path, online: Mapping[str, Any]) -> Any:
    from feast import FeatureStore, RepoConfig

    folder.mkdir()
    registry = {"registry_type": "sql", "path": f"sqlite:///{folder / 'registry.db'}"}
    store = FeatureStore(
        config=RepoConfig(
            project="product",
            provider="local",
            registry=registry,
            online_store=dict(online),
            entity_key_serialization_version=3,
        )
    )
    found = views(folder)
    columns = {NAMES[kind]: pa.array([], pa.int64()) for kind in TYPES}
    pa.parquet.write_table(pa.table(columns), folder / "none.parquet")
    store.apply([*found.pop("entities"), *found.values()])
    return store


def proto_values(record: Mapping[str, Any]) -> dict[str, Any]:
    """Feast's values of a record, made as Feast makes them."""
    from feast.type_map import python_values_to_proto_values
    from feast.value_type import ValueType

    found = {}
    for kind, value in record.items():
        if kind == "timestamp" and value is not None:
            value = EPOCH + timedelta(seconds=value)
        elif kind == "timestamp[]" and value is not None:
            value = [EPOCH + timedelta(seconds=seconds) for seconds in value]
        (found[NAMES[kind]],) = python_values_to_proto_values([value], ValueType[TYPES[kind]])
    return found


def entity_key(keys: Mapping[str, Any]) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    values = {k: Value(int64_val=v) if isinstance(v, int) else Value(string_val=v) for k, v in keys.items()}
    values = values or {"__dummy_id": Value(string_val="")}
    return EntityKey(join_keys=list(values), entity_values=list(values.values()))


def write(
    store: Any, view: str, record: Mapping[str, Any], at: datetime, keys: Mapping[str, Any] | None = None
) -> None:
    row = (entity_key(KEYS[view] if keys is None else keys), proto_values(record), at, None)
    feature_view = store.get_feature_view(view)
    store.provider.online_write_batch(store.config, feature_view, [row], None)


def request(view: str) -> dict[str, Any]:
    rows = [KEYS[view] or {"other": 1}]
    if KEYS[view]:
        rows.append({key: 99 if key == "member" else "none" for key in KEYS[view]})
    return {"features": [f"{view}:{name}" for name in NAMES.values()], "entity_rows": rows * 2}


def everything(response: Any) -> list[Any]:
    """Everything that Feast says: values with their types, statuses, moments."""
    return [
        (
            name,
            [value.SerializeToString(deterministic=True) for value in vector.values],
            list(vector.statuses),
            [moment.ToMicroseconds() for moment in vector.event_timestamps],
        )
        for name, vector in zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True)
    ]
