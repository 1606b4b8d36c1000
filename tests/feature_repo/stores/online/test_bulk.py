"""Bulk writes: the same rows as through Feast."""

import math
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import FLAG_BATCH, unpack
from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.online.bulk import rows_of, write_table
from tests.feature_repo.packed.test_pack import MOMENT, values
from tests.feature_repo.stores.online.feast_views import EPOCH, NAMES, PAST, TYPES, write

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
    wanted = {"features": ["by_member:int32"], "entity_rows": [{"member": member} for member in (9, 5, 4)]}
    assert packed.get_online_features(**wanted).to_dict()["int32"] == [4, 0, None]


def test_bulk_keeps_nan_flags_and_created_moments(packed: Any) -> None:
    view = packed.get_feature_view("by_member")
    columns: dict[str, Any] = {NAMES[kind]: pa.nulls(1) for kind in TYPES}
    columns |= {"float32": pa.array([math.nan], pa.float32()), "member": [7], "at": [-1], "made": [5]}
    write_table(packed, view, pa.table(columns), "at", "made", FLAG_BATCH)
    found = unpack(layout_of(view), rows_of(packed).read([row_key("product", "by_member", [7])]))
    assert (found.event_time.tolist(), found.created.tolist(), found.flags.tolist()) == ([-1], [5], [FLAG_BATCH])
    assert found.valid["float32"].tolist() == [True]
    assert math.isnan(found.values["float32"][0])  # type: ignore[arg-type]


def test_bulk_needs_a_packed_store(stores: dict[str, Any]) -> None:
    view = stores["stock"].get_feature_view("alone")
    with pytest.raises(UnsupportedError, match="SqliteOnlineStore: expected one of feature_repo"):
        write_table(stores["stock"], view, pa.table({}), "at")
