"""Keys found in rows, by Python and by the script in Redis: the same, and those that a writer gives its rows."""

import asyncio
from typing import Any

import pyarrow as pa
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.packed.arrow import arrow_type
from feature_repo.packed.keys import key_part, row_key, view_prefix
from feature_repo.packed.layout import Field, Key, Layout
from feature_repo.packed.pack import pack
from feature_repo.slate.plan import key_field
from feature_repo.slate.query import DerivedRows, KeyFromRow, PackedRow, Query
from feature_repo.slate.redis import RedisClient
from tests.feature_repo.redis_server import redis_address, redis_server

__all__ = ["redis_address", "redis_server"]

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=4),
    "bytes": st.binary(max_size=4),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
}
FIELDS = tuple(sorted([*(Field(f"a_{kind}", kind) for kind in KINDS), *(Field(f"f_{i}", "float32") for i in range(9))]))
SOURCE = Layout("source", (Key("id", "int64"),), FIELDS)
OTHER = Layout("source", SOURCE.keys, SOURCE.fields[1:])


def packed(values: dict[str, Any], layout: Layout = SOURCE) -> bytes:
    columns = {field.name: pa.array([values.get(field.name)], arrow_type(field.kind)) for field in layout.fields}
    return pack(layout, pa.table({**columns, "time": pa.array([0], pa.int64())}), "time")[0]


def fetch(address: str, query: Query) -> list[PackedRow]:
    host, port = address.split(":")

    async def go() -> list[PackedRow]:
        client = RedisClient({"host": host, "port": int(port)}, pool=1)
        try:
            return await client.fetch(query)
        finally:
            await client.close()

    return asyncio.run(go())


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_derived_keys(redis_address: str, kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | KINDS[kind], min_size=1, max_size=4))
    rows = [packed({f"a_{kind}": value, "f_0": 1.0}) for value in values]
    keys = [row_key("p", "source", [i]) for i in range(len(rows))]
    first = SOURCE.field(f"a_{kind}").name
    prefix = view_prefix("p", "wide")
    alone = DerivedRows(len(rows), (prefix, KeyFromRow(key_field(SOURCE, first, several=False), 0, 1)))
    pair = (key_part("all", True), [key_part(f"c{i}", True) for i in range(len(rows))])
    wide = DerivedRows(len(rows), (prefix, *pair, KeyFromRow(key_field(SOURCE, first, several=True), 0, 1)))
    shared = DerivedRows(len(rows), (prefix, pair[1], KeyFromRow(key_field(SOURCE, first, several=True), 0, 0)))
    wanted: list[list[Any]] = [[value] for value in values]
    wanted += [["all", f"c{i}", value] for i, value in enumerate(values)]
    wanted += [[f"c{i}", values[0]] for i in range(len(values))]
    expected = [None if parts[-1] is None else row_key("p", "wide", parts) for parts in wanted]
    assert [key for derived in (alone, wide, shared) for key in derived.keys(rows)] == expected

    host, port = redis_address.split(":")
    with redis.Redis(host, int(port)) as client:
        client.flushdb()
        derived = {key: b"row of " + key for key in expected if key is not None}
        client.mset(dict(zip(keys, rows, strict=True)) | derived)
    result = fetch(redis_address, Query(keys, [alone, wide, shared]))
    assert result == rows + [None if key is None else b"row of " + key for key in expected]


def test_rows_that_have_no_such_field(redis_address: str) -> None:
    field = key_field(SOURCE, "a_string", several=False)
    rows = [packed({"a_string": "new"}), packed({"a_string": "new"}, OTHER), b"", b"short"]
    assert [field.value(row) for row in (*rows, None)] == [b"snew", None, None, None, None]
    host, port = redis_address.split(":")
    with redis.Redis(host, int(port)) as client:
        client.mset({str(i): row for i, row in enumerate(rows)} | {"snew": "found"})
    keys = [b"0", b"1", b"2", b"3", b"4"]
    result = fetch(redis_address, Query(keys, [DerivedRows(5, (b"", KeyFromRow(field, 0, 1)))]))
    assert result == [*rows, None, b"found", None, None, None, None]


def test_thousands_of_keys(redis_address: str) -> None:
    field = key_field(SOURCE, "a_int64", several=False)
    count = 9_001
    columns = {field.name: pa.nulls(count, arrow_type(field.kind)) for field in SOURCE.fields}
    whole = pa.array(range(count), pa.int64())
    rows: list[PackedRow] = [*pack(SOURCE, pa.table({**columns, "a_int64": whole, "time": whole}), "time")]
    keys = [row_key("p", "source", [i]) for i in range(len(rows))]
    host, port = redis_address.split(":")
    with redis.Redis(host, int(port)) as client:
        client.mset(dict(zip(keys, rows, strict=True)))
        client.mset({row_key("p", "wide", [i]): str(i) for i in range(len(rows))})
    wide = DerivedRows(len(rows), (view_prefix("p", "wide"), KeyFromRow(field, 0, 1)))
    assert fetch(redis_address, Query(keys, [wide])) == rows + [str(i).encode() for i in range(len(rows))]
