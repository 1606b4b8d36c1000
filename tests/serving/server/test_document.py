"""Parsing of a body, without a server."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import RefusalError
from serving.server.document import BINARY, JSON, Body, parse_body, whole_number
from serving.server.tensor_document import check_tensors


def refused(body: bytes, kind: str = JSON, length: bytes | None = None) -> str:
    with pytest.raises(RefusalError) as error:
        parse_body(kind, body, length)
    assert error.value.status == 400
    assert 5 < len(error.value.reason) < 400
    return error.value.reason


NO_NUMBERS = [
    b"",
    b" ",
    b"0" * 5000,
    b"9" * 5000,
    b"-1",
    b"+2",
    b"2.0",
    b"2e0",
    b"0x2",
    b"1_0",
    b"02",
    b" 2",
    b"2 ",
    b"3",
]
NO_NUMBERS += ["\u0662".encode(), "\uff12".encode(), b"2,2", b"2\x00", b"true", b"NaN"]


@pytest.mark.parametrize("length", NO_NUMBERS)
@pytest.mark.parametrize("kind", [JSON, BINARY])
def test_an_invalid_json_length_is_refused(length: bytes, kind: str) -> None:
    assert "inference-header-content-length: expected a whole number from 0 to 2" in refused(b"{}", kind, length)


def test_a_valid_length_is_accepted() -> None:
    assert parse_body(BINARY, b"{}\x01\x02", b"2") == Body({}, b"\x01\x02")
    assert parse_body(JSON, b"{}", b"2") == Body({}, None)
    assert parse_body("Application/JSON; charset=utf-8", b"{}") == Body({}, None)
    assert whole_number("n", b"0", 0) == 0
    assert "since bytes follow" in refused(b"{}\x01\x02", JSON, b"2")
    assert "content-type: expected application/json" in refused(b"{}", BINARY)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"b": [1, {"c": {"a": 1, "d": 2, "a": 3}}]}',
        b'{"": 1, "": 2}',
        b'{"a": {"b": 1}, "a": {"c": 2}}',
        b'{"' + b"x" * 100_000 + b'": 1, "' + b"x" * 100_000 + b'": 2}',
    ],
)
def test_a_duplicate_field_is_refused(body: bytes) -> None:
    assert "once" in refused(body)
    assert "once" in refused(body + b"\x01", BINARY, str(len(body)).encode())


def test_the_same_field_in_two_objects_is_accepted() -> None:
    assert parse_body(JSON, b'{"a": [{"a": 1}, {"a": 1}], "A": 1}').document == {"a": [{"a": 1}, {"a": 1}], "A": 1}


class Pairs(list[Any]):
    """An object with its fields as they are written."""


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text('ab"\\\u00e9{}:,', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(st.text('ab"\\', max_size=2), inner), max_size=4).map(Pairs)
    ),
    max_leaves=12,
)


def written(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


def twice(value: Any) -> bool:
    """Whether any object in it has a field twice."""
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(twice(inner) for _, inner in value)
    return isinstance(value, list) and any(map(twice, value))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(value=JSONS)
def test_duplicate_fields_are_found_at_any_depth(value: Any) -> None:
    body = written(Pairs([("whole", value)])).encode()
    if twice(value):
        assert "once" in refused(body)
    else:
        assert parse_body(JSON, body).document == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"1" * 5000,
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": [' * 900 + b"]}" * 900,
        b"[" * 100_000,
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"a": 1}\x00',
        b'{"a": 1} {"a": 1}',
        b'{"a": 01}',
        '{"a": 1}'.encode("utf-16"),
        b"",
    ],
)
def test_json_that_parsers_read_differently_is_refused(body: bytes) -> None:
    refused(body)


def document(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "a", "datatype": "INT64", "shape": [1], "data": [1], **changes}]}


SIZED = {"data": None, "parameters": {"binary_data_size": 8}}
BAD: list[tuple[dict[str, Any], int | None]] = [
    *[
        (document(shape=shape), None)
        for shape in (["3"], [3.0], [True], [-1], [None], [[1]], [], [1, 1, 1], "2", 1, None)
    ],
    *[
        (document(datatype=datatype), None)
        for datatype in ("int64", "Int64", "", "INT64 ", "INT64\n", 5, None, "X" * 500)
    ],
    *[(document(name=name), None) for name in (5, None, ["a"])],
    *[(document(data=data), None) for data in (1, "1", {"a": 1}, None)],
    *[
        (document(data=None, parameters={"binary_data_size": size}), 8)
        for size in (-8, "8", 8.0, True, 7, 9, 0, 2**70, [8], None)
    ],
    (document(**SIZED), None),
    (document(**SIZED), 9),
    (document(**{**SIZED, "data": [1]}), 8),
    (document(), 1),
    *[(document(parameters=parameters), None) for parameters in ([], "a", 1, {"a": [1]}, {"a": {"b": 1}})],
    *[
        ({**document(), name: value}, None)
        for name, value in (("id", 5), ("Inputs", []), ("output", []), ("x" * 500_000, 1))
    ],
    ({**document(), "parameters": {"binary_data_output": "false"}}, None),
    ({**document(), "outputs": [{"name": "items", "parameters": {"binary_data": 1}}]}, None),
    ({**document(), "outputs": [5]}, None),
    ({"inputs": {}}, None),
    ({}, None),
]


@pytest.mark.parametrize(("request_", "binary"), BAD)
def test_an_invalid_v2_request_is_refused(request_: dict[str, Any], binary: int | None) -> None:
    with pytest.raises(RefusalError) as error:
        check_tensors(Body(request_, None if binary is None else bytes(binary)))
    assert error.value.status == 400
    assert 5 < len(error.value.reason) < 400


def test_valid_v2_requests_are_accepted() -> None:
    check_tensors(Body(document()))
    check_tensors(Body(document(**SIZED), bytes(8)))
    check_tensors(Body({**document(parameters={"content_type": "np"}), "id": "a", "model_name": "m", "outputs": None}))
    parameters = {"binary_data_output": True, "priority": 1}
    check_tensors(Body({**document(), "parameters": parameters, "outputs": [{"name": "items"}]}))
