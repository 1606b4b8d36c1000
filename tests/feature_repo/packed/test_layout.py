"""Where everything is in a row, which types a row can hold, and what a view's layout takes from Feast."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from feast import Field as FeastField
from feast.feature_view import DUMMY_ENTITY_ID
from feast.types import Array, Bool, Float32, Int32, Int64, String, UnixTimestamp, Uuid

from feature_repo.packed.errors import UnsupportedError
from feature_repo.packed.layout import EVENT_TIME_BYTES, HEADER, TIMES_BYTES, Field, Key, Layout, layout_of, time_bytes


def fields(**counts: int) -> tuple[Field, ...]:
    return tuple(Field(f"{kind}{i:03}", kind) for kind, count in counts.items() for i in range(count))


def test_times_are_big_endian_from_the_smallest_on() -> None:
    assert (EVENT_TIME_BYTES, TIMES_BYTES, HEADER) == (8, 16, 24)
    assert time_bytes(-(2**63)) == bytes(8)
    assert time_bytes(0) == b"\x80" + bytes(7)
    assert time_bytes(258) == b"\x80" + bytes(5) + b"\1\2"
    assert time_bytes(2**63 - 1) == time_bytes(None) == b"\xff" * 8


@pytest.mark.parametrize(
    ("counts", "size", "parts"),
    [
        ({"float32": 1}, 40, ["float32", "padding"]),
        ({"float32": 2}, 40, ["float32"]),
        ({"bool": 3}, 40, ["bool", "padding"]),
        ({"bool": 8}, 40, ["bool"]),
        ({"bool": 64}, 96, ["bool"]),
        ({"bool": 65}, 112, ["bool", "padding"]),
        ({"bool": 58}, 96, ["bool", "padding"]),
        ({"string": 2}, 48, ["spans"]),
        ({"bool": 1, "string": 1, "int32": 1, "int64": 2}, 64, ["int64", "int32", "spans", "bool", "padding"]),
    ],
)
def test_the_fixed_part_is_padded_to_eight_bytes(counts: dict[str, int], size: int, parts: list[str]) -> None:
    layout = Layout("view", (), fields(**counts))
    assert layout.dtype.names == ("event", "created", "digest", "flags", "bits", *parts)
    assert layout.size == size
    offsets = layout.dtype.fields
    assert offsets is not None
    assert offsets["bits"][1] == HEADER


def test_positions_are_counted_within_the_kind() -> None:
    layout = Layout("view", (), fields(bool=2, string=2, int32=2, float64=2))
    found = [layout.position(field.name) for field in layout.fields]
    assert found == [32 + 16 + 8 + 16, 73, 56, 64, 48, 52, 32, 40]
    with pytest.raises(UnsupportedError, match=r"^view: expected one of bool000, bool001, string000, .*; found other$"):
        layout.position("other")
    with pytest.raises(FrozenInstanceError):
        layout.view = "other"  # type: ignore[misc]


def test_the_digest_is_four_bytes_of_names_and_kinds() -> None:
    layouts = [Layout("view", (), some) for some in (fields(bool=1), fields(bool=2), fields(int32=1), ())]
    assert [len(layout.digest) for layout in layouts] == [4] * 4
    assert len({layout.digest for layout in layouts}) == 4


def view(keys: list[FeastField], features: list[FeastField], **more: Any) -> Any:
    return SimpleNamespace(name="v", entity_columns=keys, features=features, **more)


def test_a_views_layout() -> None:
    keys = [FeastField(name=name, dtype=kind) for name, kind in (("b", UnixTimestamp), ("a", String))]
    features = [FeastField(name=name, dtype=kind) for name, kind in (("y", Array(Int32)), ("x", Bool))]
    found = layout_of(view([*keys, FeastField(name=DUMMY_ENTITY_ID, dtype=String)], features, ttl=timedelta(days=2)))
    assert found.keys == (Key("a", "string"), Key("b", "timestamp"))
    assert found.fields == (Field("x", "bool"), Field("y", "int32[]"))
    assert found.ttl == 172_800_000_000
    assert layout_of(view([], features, ttl=timedelta(0))).ttl is None
    assert layout_of(view([], features)).ttl is None


@pytest.mark.parametrize(("kind", "found"), [(Float32, "float32"), (Bool, "bool"), (Array(Int64), r"int64\[\]")])
def test_keys_of_other_kinds_are_refused(kind: Any, found: str) -> None:
    keys = [FeastField(name="a", dtype=Int64), FeastField(name="k", dtype=kind)]
    message = f"^v: expected join key k as one of int64, int32, timestamp, string, bytes; found {found}$"
    with pytest.raises(UnsupportedError, match=message):
        layout_of(view(keys, []))


def test_features_of_other_kinds_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"^v: expected x as one of INT64, .* or an array of them; found UUID"):
        layout_of(view([], [FeastField(name="x", dtype=Uuid)]))
