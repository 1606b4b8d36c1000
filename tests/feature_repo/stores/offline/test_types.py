"""Which types mix without loss, which keys compare, and from which number on a float is several keys."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feature_repo.stores.offline.types import ambiguous, are_exact_together, comparable

TOKYO, UTC = pa.timestamp("us", tz="Asia/Tokyo"), pa.timestamp("us", tz="UTC")
WORDS = pa.dictionary(pa.int32(), pa.string())
EXACT = [
    (pa.int8(), pa.int8()),
    (pa.null(), pa.string()),
    (pa.int32(), pa.int64()),
    (pa.uint32(), pa.int64()),
    (pa.uint64(), pa.uint8()),
    (pa.float32(), pa.float64()),
    (pa.int8(), pa.float16()),
    (pa.int16(), pa.float32()),
    (pa.int32(), pa.float64()),
    (pa.timestamp("s"), pa.timestamp("ns", tz="UTC")),
    (pa.list_(pa.int8()), pa.large_list(pa.int64())),
    (pa.list_(pa.int8(), 3), pa.list_(pa.float32())),
    (pa.large_list(pa.string()), pa.list_(pa.large_string())),
    (WORDS, pa.string_view()),
    (pa.binary(), pa.large_binary()),
    (pa.binary_view(), pa.binary(4)),
]
LOSSY = [
    (pa.uint64(), pa.int8()),
    (pa.int16(), pa.float16()),
    (pa.int32(), pa.float32()),
    (pa.int64(), pa.float64()),
    (pa.int64(), pa.string()),
    (pa.bool_(), pa.int8()),
    (pa.string(), pa.binary()),
    (pa.float32(), pa.string()),
    (pa.timestamp("us"), pa.int64()),
    (pa.list_(pa.int32()), pa.int32()),
    (pa.list_(pa.int64()), pa.list_(pa.float64())),
]
COMPARED = [
    (pa.null(), pa.int64()),
    (pa.int8(), pa.uint64()),
    (pa.int64(), pa.float32()),
    (pa.float64(), pa.float32()),
    (pa.string(), pa.large_string()),
    (WORDS, pa.string()),
    (pa.bool_(), pa.bool_()),
    (pa.binary(), pa.binary(3)),
    (pa.decimal128(10, 2), pa.decimal128(20, 2)),
    (pa.timestamp("s"), pa.timestamp("us")),
    (TOKYO, UTC),
]
DIFFERENT = [
    (pa.int64(), pa.string()),
    (pa.int64(), pa.float16()),
    (pa.int64(), pa.bool_()),
    (pa.string(), pa.binary()),
    (pa.decimal128(10, 2), pa.decimal128(10, 0)),
    (pa.decimal128(10, 0), pa.int64()),
    (pa.timestamp("us"), pa.timestamp("ns")),
    (pa.timestamp("us"), UTC),
    (pa.timestamp("us"), pa.int64()),
]


@pytest.mark.parametrize(("one", "other"), EXACT)
def test_types_that_hold_each_other(one: pa.DataType, other: pa.DataType) -> None:
    assert are_exact_together([one, other])
    assert are_exact_together([other, one])


@pytest.mark.parametrize(("one", "other"), LOSSY)
def test_types_that_lose_digits(one: pa.DataType, other: pa.DataType) -> None:
    assert not are_exact_together([one, other])
    assert not are_exact_together([other, one])
    assert not are_exact_together([one, pa.null(), other])


def test_one_type_or_none_is_exact() -> None:
    assert are_exact_together([])
    assert are_exact_together([pa.string()])
    assert are_exact_together([pa.int8(), pa.int16(), pa.float32()])


@pytest.mark.parametrize(("one", "other"), COMPARED)
def test_types_that_compare(one: pa.DataType, other: pa.DataType) -> None:
    assert comparable(one, other) is True
    assert comparable(other, one) is True


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_types_that_do_not_compare(one: pa.DataType, other: pa.DataType) -> None:
    assert comparable(one, other) is False
    assert comparable(other, one) is False


@pytest.mark.parametrize(("kind", "digits"), [(pa.float32(), 24), (pa.float64(), 53)])
def test_floats_are_several_keys_from_their_last_digit_on(kind: pa.DataType, digits: int) -> None:
    def is_ambiguous(values: list[Any], own: pa.DataType, other: pa.DataType) -> bool:
        return ambiguous(pa.chunked_array([pa.array(values, own)]), other)

    assert is_ambiguous([2**11], pa.int64(), pa.float16()) is True
    assert is_ambiguous([2**11 - 1], pa.int64(), pa.float16()) is False
    limit = 2**digits
    for sign in (1, -1):
        assert is_ambiguous([sign * limit, None, 1], pa.int64(), kind) is True
        assert is_ambiguous([sign * (limit - 1), None, 1], pa.int64(), kind) is False
        assert is_ambiguous([float(sign * limit), 1.0], kind, pa.int64()) is True
        assert is_ambiguous([float(sign * (limit - 1)), np.nan, None], kind, pa.int64()) is False
        assert is_ambiguous([sign * np.inf, 1.0], kind, pa.int64()) is True
    assert is_ambiguous([float(limit)], kind, pa.float64()) is False
    assert is_ambiguous([limit], pa.int64(), pa.uint64()) is False
    assert is_ambiguous(["x"], pa.string(), kind) is False
    assert is_ambiguous([None], pa.null(), kind) is False
    assert is_ambiguous([None], pa.int64(), kind) is False
    assert ambiguous(pa.chunked_array([], pa.int64()), kind) is False
