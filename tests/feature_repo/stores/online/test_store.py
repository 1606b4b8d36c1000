"""The packed online stores under Feast: its own calls return what they return on its stock SQLite store."""

import asyncio
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import view_prefix
from feature_repo.stores.errors import RowInputError, UnsupportedError
from feature_repo.stores.online.bulk import rows_of, write_table
from tests.feature_repo.packed.test_pack import SCALARS
from tests.feature_repo.stores.online.feast_views import (
    EPOCH,
    FEAST,
    KEYS,
    NAMES,
    PAST,
    RECORD,
    TYPES,
    entity_key,
    everything,
    request,
    write,
)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(sorted(KEYS)), RECORD, st.integers(-(10**10), PAST))
def test_feast_returns_the_same_as_on_its_stock_store(stores: dict[str, Any], view: str, record: Any, at: int) -> None:
    found = {}
    for name, store in stores.items():
        if name != "stock":
            rows_of(store).delete(b"")
        write(store, view, record, EPOCH + timedelta(seconds=at))  # the stock store keeps whole seconds
        found[name] = everything(store.get_online_features(**request(view)))
        if name != "stock":  # whose own store has no asynchronous read
            assert everything(asyncio.run(store.get_online_features_async(**request(view)))) == found[name]
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


def test_a_frame_written_through_feast_returns_the_same_as_on_its_stock_store(stores: dict[str, Any]) -> None:
    wanted = {**request("by_member"), "entity_rows": [{"member": member} for member in (18, 17, 19)]}
    given = frame([EPOCH, EPOCH + timedelta(days=1)])
    found = {}
    for name, store in stores.items():
        store.write_to_online_store("by_member", df=given)
        response = store.get_online_features(**wanted)
        found[name] = (everything(response), repr(response.to_dict()))
    for name in ("sqlite", "redis"):
        assert found[name] == found["stock"]
        rows_of(stores[name]).delete(b"")
        write_table(stores[name], stores[name].get_feature_view("by_member"), pa.Table.from_pandas(given), "at", "made")
        assert everything(stores[name].get_online_features(**wanted)) == found["stock"][0]


def test_an_older_row_changes_nothing_and_an_equally_old_one_replaces(packed: Any) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    def found() -> Any:
        wanted = {"features": ["by_member:int32"], "entity_rows": [KEYS["by_member"]]}
        return packed.get_online_features(**wanted).to_dict()["int32"]

    record = dict.fromkeys(TYPES)
    for value, at, expected in ((1, -5, 1), (2, -6, 1), (3, -5, 3), (None, 0, None)):
        write(packed, "by_member", {**record, "int32": value}, EPOCH + timedelta(microseconds=at))
        assert found() == [expected]
    view = packed.get_feature_view("by_member")
    rows = [(entity_key({"member": 7}), {"int32": Value(int32_val=8)}, datetime(1980, 1, 1), datetime(1981, 1, 1))]
    packed.provider.online_write_batch(packed.config, view, rows, None)
    assert found() == [8]


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


Row = tuple[Any, dict[str, Any], datetime, datetime | None]


def row(member: int, at: datetime, made: datetime | None = None, **values: Any) -> Row:
    return entity_key({"member": member}), values, at, made


def members(store: Any, wanted: list[int]) -> list[Any]:
    """Whether there are rows of these members."""
    view, keys = store.get_feature_view("by_member"), [entity_key({"member": member}) for member in wanted]
    return [found is not None for found, _ in store.provider.online_store.online_read(store.config, view, keys, [])]


def test_rows_ahead_of_the_clock_are_refused(packed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.stores.online import store

    online, view, second = packed.provider.online_store, packed.get_feature_view("by_member"), timedelta(seconds=1)
    monkeypatch.setattr(store, "latest", lambda: 100 * 10**6)
    end, tick = EPOCH + 100 * second, timedelta(microseconds=1)
    reported: list[int] = []
    online.online_write_batch(packed.config, view, [row(1, end), row(2, end, end)], reported.append)
    assert (reported, members(packed, [1, 2, 3])) == ([2], [True, True, False])
    message = r"^by_member, row 2, event time of the row: expected a time up to .*; found 1970-01-01T00:01:42.00:00 "
    rows = [row(3, end), row(4, end + 2 * second), row(5, end + 5 * second), row(6, end)]
    with pytest.raises(store.RefusedRowsError, match=message + r"\(2 of 4 rows\)$"):
        online.online_write_batch(packed.config, view, rows, reported.append)
    with pytest.raises(store.RefusedRowsError, match=r"row 1, created time of the row: .*\(1 of 2 rows\)$") as refused:
        online.online_write_batch(packed.config, view, [row(3, end, end + tick), row(4, end)], reported.append)
    assert refused.value.http_status_code() == 422
    assert (reported, members(packed, [3, 4, 5, 6])) == ([2], [False] * 4)


def test_rows_of_a_planned_view_are_applied_before_they_are_written(
    packed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    from feature_repo.stores.online import store

    online, view = packed.provider.online_store, packed.get_feature_view("by_member")
    view.tags = {store.TAG: "the plan"}
    seen: list[Any] = []

    def applied(*given: Any) -> None:
        seen.append(given)
        if len(seen) > 1:
            raise store.StreamError("no such table")

    monkeypatch.setattr(store, "apply_events", applied)
    second = timedelta(seconds=1)
    online.online_write_batch(packed.config, view, [row(1, EPOCH + second, int32=Value(int32_val=5))], None)
    ((rows, project, plan, events),) = seen
    assert (rows, project, plan) == (rows_of(packed), "product", "the plan")
    absent = {NAMES[kind]: None for kind in TYPES}
    assert events == [{**absent, "member": 1, "at": 10**6, "made": None, "int32": 5}]
    with pytest.raises(store.RefusedRowsError, match=r"^no such table$"):
        online.online_write_batch(packed.config, view, [row(2, EPOCH)], None)
    assert members(packed, [1, 2]) == [True, False]


def test_all_fields_are_read_unless_some_are_asked_for(packed: Any) -> None:
    online, view = packed.provider.online_store, packed.get_feature_view("by_member")
    assert (online.async_supported.read, online.async_supported.write) == (True, True)
    reported: list[int] = []
    asyncio.run(online.online_write_batch_async(packed.config, view, [row(1, EPOCH), row(2, EPOCH)], reported.append))
    assert reported == [2]
    keys = [entity_key({"member": member}) for member in (3, 1)]
    for wanted, names in ((None, {*NAMES.values()}), (["int32", "bool"], {"int32", "bool"}), ([], set())):
        missing, found = online.online_read(packed.config, view, keys, wanted)
        assert missing == (None, None)
        assert (found[0], found[1].keys()) == (EPOCH, names)


def test_a_store_connects_once_until_it_is_closed() -> None:
    from feature_repo.stores.online.store import PackedOnlineStore

    made: list[Any] = []

    class Rows:
        closed = 0

        def close(self) -> None:
            self.closed += 1

    class Store(PackedOnlineStore):
        def connect(self, config: Any) -> Any:
            made.append(Rows())
            return made[-1]

    store: Any = Store()
    asyncio.run(store.close())
    assert store.rows(None) is store.rows(None) is made[0]
    asyncio.run(store.close())
    asyncio.run(store.close())
    assert store.rows(None) is made[1]
    assert [rows.closed for rows in made] == [1, 0]


def test_kinds_are_all_there() -> None:
    assert set(FEAST) == set(SCALARS)
