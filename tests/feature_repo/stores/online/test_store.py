"""The packed online stores under Feast: its own calls answer as they do on its stock SQLite store."""

import asyncio
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import row_key, view_prefix
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH, unpack
from feature_repo.stores.errors import RowInputError, UnsupportedError
from feature_repo.stores.online.bulk import rows_of, write_table
from tests.feature_repo.packed.test_pack import MOMENT, SCALARS, values

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


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[dict[str, Any]]:
    """Feast's stock store, ours in SQLite and ours in Redis, with the same views."""
    folder = tmp_path_factory.mktemp("stores")
    online = {
        "stock": {"type": "sqlite", "path": str(folder / "stock.db")},
        "sqlite": {"type": PACKED.format("Sqlite"), "path": str(folder / "packed.db")},
        "redis": {"type": PACKED.format("Redis"), "connection_string": redis_server},
    }
    found = {name: open_store(folder / name, settings) for name, settings in online.items()}
    yield found
    for name in ("sqlite", "redis"):
        asyncio.run(found[name].provider.online_store.close())


@pytest.fixture(params=["sqlite", "redis"])
def packed(request: pytest.FixtureRequest, stores: dict[str, Any]) -> Any:
    """One of ours, empty."""
    store = stores[request.param]
    rows_of(store).delete(b"")
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


def question(view: str) -> dict[str, Any]:
    rows = [KEYS[view] or {"other": 1}]
    if KEYS[view]:
        rows.append({key: 99 if key == "member" else "none" for key in KEYS[view]})
    return {"features": [f"{view}:{name}" for name in NAMES.values()], "entity_rows": rows * 2}


def answer(response: Any) -> list[Any]:
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


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(sorted(KEYS)), RECORD, st.integers(-(10**10), PAST))
def test_feast_answers_as_on_its_stock_store(stores: dict[str, Any], view: str, record: Any, at: int) -> None:
    found = {}
    for name, store in stores.items():
        if name != "stock":
            rows_of(store).delete(b"")
        write(store, view, record, EPOCH + timedelta(seconds=at))  # the stock store keeps whole seconds
        found[name] = answer(store.get_online_features(**question(view)))
        if name != "stock":  # whose own store has no asynchronous read
            assert answer(asyncio.run(store.get_online_features_async(**question(view)))) == found[name]
    assert found["sqlite"] == found["stock"]
    assert found["redis"] == found["stock"]


def frame(moments: list[datetime]) -> pd.DataFrame:
    record: dict[str, Any] = {
        "int64": [1, 2],
        "timestamp": [EPOCH - timedelta(milliseconds=500), EPOCH + timedelta(days=20_000)],
        "float64": [1.5, -math.inf],
        "int32": [-3, 4],
        "float32": [0.1, 2.0],
        "bool": [True, False],
        "string": ["a\0", ""],
        "bytes": [b"\xff", b""],
    }
    columns = {NAMES[kind]: column for kind, column in record.items()}
    columns |= {NAMES[f"{kind}[]"]: [column, []] for kind, column in record.items()}
    return pd.DataFrame({**columns, "member": [17, 18], "at": moments, "made": moments})


def test_a_frame_written_through_feast_answers_as_on_its_stock_store(stores: dict[str, Any]) -> None:
    asked = {**question("by_member"), "entity_rows": [{"member": member} for member in (18, 17, 19)]}
    given = frame([EPOCH, EPOCH + timedelta(days=1)])
    found = {}
    for name, store in stores.items():
        store.write_to_online_store("by_member", df=given)
        response = store.get_online_features(**asked)
        found[name] = (answer(response), repr(response.to_dict()))
    for name in ("sqlite", "redis"):
        assert found[name] == found["stock"]
        rows_of(stores[name]).delete(b"")
        write_table(stores[name], stores[name].get_feature_view("by_member"), pa.Table.from_pandas(given), "at", "made")
        assert answer(stores[name].get_online_features(**asked)) == found["stock"][0]


def test_an_older_row_changes_nothing_and_an_equally_old_one_replaces(packed: Any) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    def found() -> Any:
        asked = {"features": ["by_member:int32"], "entity_rows": [KEYS["by_member"]]}
        return packed.get_online_features(**asked).to_dict()["int32"]

    record = dict.fromkeys(TYPES)
    for value, at, expected in ((1, -5, 1), (2, -6, 1), (3, -5, 3), (None, 0, None)):
        write(packed, "by_member", {**record, "int32": value}, EPOCH + timedelta(microseconds=at))
        assert found() == [expected]
    view = packed.get_feature_view("by_member")
    rows = [(entity_key({"member": 7}), {"int32": Value(int32_val=8)}, datetime(1980, 1, 1), datetime(1981, 1, 1))]
    packed.provider.online_write_batch(packed.config, view, rows, None)
    assert found() == [8]


NUMBERS = st.none() | st.floats(width=32, allow_nan=False)  # Feast makes a null of NaN before a store sees it
ROW = st.tuples(st.integers(-3, 3), MOMENT.map(lambda at: min(at // 2**10, PAST * 10**6)), NUMBERS, values("string[]"))


@settings(deadline=None, max_examples=15)
@given(st.lists(ROW, max_size=6))
def test_bulk_writes_what_feast_writes(stores: dict[str, Any], rows: list[Any]) -> None:
    members, times, numbers, texts = ([row[place] for row in rows] for place in range(4))
    columns: dict[str, Any] = {NAMES[kind]: pa.nulls(len(rows)) for kind in TYPES}
    columns |= {"member": pa.array(members, pa.int64()), "at": pa.array(times, pa.timestamp("us"))}
    columns |= {"float32": pa.array(numbers, pa.float32()), "string_array": pa.array(texts, pa.list_(pa.string()))}
    for name in ("sqlite", "redis"):
        store, written = stores[name], []
        packed, view = rows_of(store), store.get_feature_view("by_member")
        packed.delete(b"")
        assert write_table(store, view, pa.table(columns), "at", progress=written.append) == sum(written) == len(rows)
        bulk = dict(packed.dump(b""))
        packed.delete(b"")
        for member, at, number, text in rows:
            record = {**dict.fromkeys(TYPES), "float32": number, "string[]": text}
            write(store, "by_member", record, EPOCH + timedelta(microseconds=at), {"member": member})
        assert dict(packed.dump(b"")) == bulk


def test_bulk_writes_the_chunks_of_a_table(packed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.stores.online import bulk

    monkeypatch.setattr(bulk, "CHUNK", 2)
    columns: dict[str, Any] = {NAMES[kind]: pa.nulls(5) for kind in TYPES}
    columns |= {"int32": [0, 1, 2, 3, 4], "member": [5, 6, 7, 8, 9], "at": [1, 1, 1, 1, 1]}
    seen: list[int] = []
    assert write_table(packed, packed.get_feature_view("by_member"), pa.table(columns), "at", progress=seen.append) == 5
    assert seen == [2, 2, 1]
    asked = {"features": ["by_member:int32"], "entity_rows": [{"member": member} for member in (9, 5, 4)]}
    assert packed.get_online_features(**asked).to_dict()["int32"] == [4, 0, None]


def test_bulk_keeps_nan_flags_and_created_moments(packed: Any) -> None:
    view = packed.get_feature_view("by_member")
    columns: dict[str, Any] = {NAMES[kind]: pa.nulls(1) for kind in TYPES}
    columns |= {"float32": pa.array([math.nan], pa.float32()), "member": [7], "at": [-1], "made": [5]}
    write_table(packed, view, pa.table(columns), "at", "made", FLAG_BATCH)
    found = unpack(layout_of(view), rows_of(packed).read([row_key("product", "by_member", [7])]))
    assert (found.event_time.tolist(), found.created.tolist(), found.flags.tolist()) == ([-1], [5], [FLAG_BATCH])
    assert found.valid["float32"].tolist() == [True]
    assert math.isnan(found.values["float32"][0])  # type: ignore[arg-type]


def test_a_dropped_view_takes_its_rows_and_no_others_with_it(packed: Any) -> None:
    for view in KEYS:
        write(packed, view, dict.fromkeys(TYPES), EPOCH)
    online, kept = packed.provider.online_store, [packed.get_feature_view(name) for name in ("by_pair", "alone")]
    online.update(packed.config, [packed.get_feature_view("by_member")], kept, [], [], False)
    left = [len(list(rows_of(packed).dump(view_prefix("product", view)))) for view in KEYS]
    assert left == [0, 1, 1]
    rows_of(packed).write_newest([(view_prefix("other", "alone"), bytes(16))])
    online.teardown(packed.config, kept, [])
    assert [key for key, _ in rows_of(packed).dump(b"")] == [view_prefix("other", "alone")]


def test_values_and_keys_of_another_type_are_refused(packed: Any) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    view = packed.get_feature_view("by_member")

    def put(key: Any, values: dict[str, Any]) -> None:
        packed.provider.online_write_batch(packed.config, view, [(key, values, EPOCH, None)], None)

    with pytest.raises(RowInputError, match="expected int32_val in int32; found int64_val"):
        put(entity_key({"member": 1}), {"int32": Value(int64_val=1)})
    with pytest.raises(RowInputError, match="expected join keys member; found tag"):
        put(entity_key({"tag": "x"}), {})
    assert list(rows_of(packed).dump(b"")) == []


def test_a_view_of_a_type_that_is_not_packed_is_refused_when_applied(packed: Any, tmp_path: Path) -> None:
    from feast import FeatureView, Field
    from feast.types import Map, Uuid

    source = packed.get_feature_view("alone").batch_source
    for dtype in (Uuid, Map):
        view = FeatureView(name="odd", entities=[], schema=[Field(name="x", dtype=dtype)], source=source)
        with pytest.raises(UnsupportedError, match="odd: expected x as one of"):
            packed.provider.online_store.update(packed.config, [], [view], [], [], False)


def test_bulk_needs_a_packed_store(stores: dict[str, Any]) -> None:
    view = stores["stock"].get_feature_view("alone")
    with pytest.raises(UnsupportedError, match="SqliteOnlineStore: expected one of feature_repo"):
        write_table(stores["stock"], view, pa.table({}), "at")


def test_kinds_are_all_there() -> None:
    assert set(FEAST) == set(SCALARS)
