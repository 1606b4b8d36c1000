"""Fuzzing of every protocol: a response in time, no status 500, no traceback, and the server stays healthy."""

import copy
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol

from serving.deployment.endpoint import Endpoint
from tests.serving.requests import v1, v2
from tests.serving.server.test_grpc import request
from tests.serving.world import World

pytestmark = pytest.mark.long(25)

JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"
SECONDS = 10.0
"""A response that takes longer counts as missing."""
HOSTILE = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    # The fixture below asks once after all examples of a test, as it should.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(), max_size=12)  # control characters and lone surrogates too
NUMBERS = st.integers() | st.integers(-(2**64), 2**64) | st.floats() | st.sampled_from([10**400, 2**63, -(2**63) - 1])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(["push", "2026-01-20T09:00:00Z", "INT64", "BOOL"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
DATATYPES = st.sampled_from(["INT64", "BYTES", "FP64", "FP32", "FP16", "BOOL", "UINT8", "", "TEXT"])
METHODS = ["ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelStreamInfer", "Nothing"]
METHODS += ["RepositoryModelLoad", "RepositoryModelUnload"]
CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "int64_contents": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4),
        "fp64_contents": st.lists(st.floats(), max_size=4),
        "bytes_contents": st.lists(st.binary(max_size=8), max_size=4),
        "bool_contents": st.lists(st.booleans(), max_size=4),
    },
)


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """The document with up to three of its parts replaced, removed or added."""
    document = copy.deepcopy(whole)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "replace":
            container[key] = draw(VALUES)
        elif change == "remove":
            del container[key]
        elif isinstance(container, dict):
            container[draw(TEXT)] = draw(VALUES)
        else:
            container.append(draw(VALUES))
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a document, as what holds it and its key there."""
    if isinstance(document, dict | list):
        for key, part in document.items() if isinstance(document, dict) else enumerate(document):
            yield document, key
            yield from _places(part)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a piece cut out and another put in its place."""
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    return whole[:start] + draw(st.binary(max_size=20)) + whole[end:]


@pytest.fixture(autouse=True)
def unshaken(client: httpx.Client, infer: Any, world: World, server_folder: Path) -> Iterator[None]:
    """Afterwards a sound request has its response, the server is ready, and its log holds no failure."""
    log = server_folder / "server.log"
    before = log.stat().st_size
    yield
    for path, document in ((predict(world), v1(world, 1, 6)), (tensors(world), v2(world, 1, 6))):
        assert client.post(path, json=document).status_code == 200
    message = protocol.ModelInferResponse.FromString(infer(request(world, 1, 6).SerializeToString(), timeout=SECONDS))
    assert message.model_version == world.version
    assert client.get("/v2/health/ready").status_code == 200
    written = log.read_bytes()[before:].decode("utf-8")
    for word in ("Traceback", "unexpected", "ERROR"):
        assert word not in written, written[-2000:]


def predict(world: World) -> str:
    return f"/v1/models/{world.name}:predict"


def tensors(world: World) -> str:
    return f"/v2/models/{world.name}/infer"


def check_response(response: httpx.Response, statuses: tuple[int, ...] = (200, 400, 413)) -> None:
    assert response.status_code in statuses, (response.status_code, response.text[:300])
    assert "Traceback" not in response.text
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert list(response.json()) == ["error"]


def post(client: httpx.Client, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
    return client.post(path, content=content, headers=headers, timeout=SECONDS)


@HOSTILE
@given(data=st.data())
def test_documents(client: httpx.Client, world: World, data: st.DataObject) -> None:
    sound = {
        predict(world): v1(world, 1, 6, device="phone", place=2),
        tensors(world): v2(world, 1, 6, explain=("BOOL", [False])),
    }
    path = data.draw(st.sampled_from(list(sound)))
    content = json.dumps(data.draw(mutated(sound[path]) | VALUES)).encode()
    check_response(post(client, path, content, {"content-type": JSON_TYPE}))


@HOSTILE
@given(data=st.data())
def test_bytes_of_any_content_type(client: httpx.Client, world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([predict(world), tensors(world)]))
    content = data.draw(damaged(json.dumps(v2(world, 1, 6)).encode()) | st.binary(max_size=40))
    kinds = [JSON_TYPE, "application/json; charset=latin-1", "APPLICATION/JSON;", BINARY_TYPE, "text/plain", ""]
    kind = data.draw(st.sampled_from(kinds) | PRINTABLE)
    check_response(post(client, path, content, {"content-type": kind}))


@HOSTILE
@given(data=st.data())
def test_binary_tensors(client: httpx.Client, world: World, data: st.DataObject) -> None:
    whole = v2(world, 1, 6)
    size = {"binary_data_size": 16}
    whole["inputs"][1] = {"name": "items", "datatype": "INT64", "shape": [2], "parameters": size}
    text = json.dumps(data.draw(mutated({**whole, "parameters": {"binary_data_output": True}}))).encode()
    length = data.draw(st.just(len(text)) | st.integers(-1, len(text) + 40) | st.just(10**30))
    tail = data.draw(st.binary(max_size=40) | st.just(bytes(8) + (6).to_bytes(8, "little")))
    headers = {"content-type": BINARY_TYPE, "inference-header-content-length": str(length)}
    check_response(post(client, tensors(world), text + tail, headers))


@HOSTILE
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["x-request-id", "inference-header-content-length", "ce-id", "accept", "expect", "traceparent"]
        ),
        PRINTABLE,
        max_size=3,
    ),
    timeout=st.none() | PRINTABLE | st.integers(-1, 10**12).map(str),
)
def test_headers(client: httpx.Client, world: World, headers: dict[str, str], timeout: str | None) -> None:
    late = {} if timeout is None else {"x-request-timeout-ms": timeout}
    response = client.post(tensors(world), json=v2(world, 1, 6), headers={**headers, **late}, timeout=SECONDS)
    check_response(response, (200, 400, 503) if late else (200, 400))


@HOSTILE
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]),
    root=st.sampled_from(
        ["", "/v1", "/v1/models", "/v2", "/v2/models", "/v2/health", "/v2/repository", "/ui", "/docs"]
    ),
    parts=st.lists(TEXT.filter(lambda text: text not in (".", "..")) | st.just("{model}"), max_size=4),
    end=st.sampled_from(
        ["", ":predict", ":explain", "/infer", "/ready", "/versions/1", "/offers?number=1e9", "?a=%00"]
    ),
    body=VALUES,
)
@example(method="GET", root="/v2/models", parts=["{model}"], end="/versions/1", body=None)
@example(method="POST", root="/v2/models", parts=["{model}", "versions", "1\n"], end="/infer", body=None)
@example(method="POST", root="/v2/repository/models", parts=["{model}"], end="/load", body=None)
def test_paths_and_methods(
    client: httpx.Client, world: World, method: str, root: str, parts: list[str], end: str, body: Any
) -> None:
    named = [world.name if part == "{model}" else quote(part, safe="", errors="surrogatepass") for part in parts]
    content = json.dumps(body).encode()
    path = "/".join([root, *named]) + end
    response = client.request(
        method, path or "/", content=content, headers={"content-type": JSON_TYPE}, timeout=SECONDS
    )
    check_response(response, (200, 307, 400, 404, 405))


@HOSTILE
@given(data=st.data())
def test_what_is_no_http(server: Endpoint, world: World, data: st.DataObject) -> None:
    body = json.dumps(v1(world, 1, 6)).encode()
    head = (
        f"POST {predict(world)} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON_TYPE}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        connection.sendall(data.draw(damaged(head.encode() + body) | st.binary(max_size=200)))
        connection.shutdown(socket.SHUT_WR)
        found = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"Traceback" not in found
    assert not found or found.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4")), found[:300]


@pytest.fixture(scope="module")
def channel(server: Endpoint) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel


@pytest.fixture(scope="module")
def infer(channel: grpc.Channel) -> Any:
    """ModelInfer of messages that are bytes."""
    return channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")


def check_status(call: Any, *codes: grpc.StatusCode) -> None:
    expected = (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, *codes)
    assert call.code() in expected, (call.code(), call.details())
    assert "Traceback" not in call.details()


@HOSTILE
@given(data=st.data())
def test_messages(infer: Any, world: World, data: st.DataObject) -> None:
    message = request(world, 1, 6)
    names = st.sampled_from(["member", "items", "surface", "time", "place", "device", "explain", ""])
    for _ in range(data.draw(st.integers(0, 3))):
        tensor = data.draw(st.sampled_from(list(message.inputs))) if data.draw(st.booleans()) else message.inputs.add()
        tensor.name, tensor.datatype = data.draw(names), data.draw(DATATYPES)
        tensor.shape[:] = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=3))
        for field, values in data.draw(CONTENTS).items():
            getattr(tensor.contents, field)[:] = values
    message.raw_input_contents.extend(data.draw(st.lists(st.binary(max_size=24), max_size=4)))
    check_status(infer.future(message.SerializeToString(), timeout=SECONDS))


@HOSTILE
@given(data=st.data())
def test_messages_of_damaged_bytes(infer: Any, world: World, data: st.DataObject) -> None:
    message = data.draw(damaged(request(world, 1, 6).SerializeToString()) | st.binary(max_size=40))
    check_status(infer.future(message, timeout=SECONDS))


@HOSTILE
@given(
    method=st.sampled_from(METHODS),
    message=st.binary(max_size=40),
)
def test_other_methods(channel: grpc.Channel, method: str, message: bytes) -> None:
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}").future(message, timeout=SECONDS)
    check_status(call, grpc.StatusCode.UNIMPLEMENTED)


@HOSTILE
@given(
    metadata=st.dictionaries(st.sampled_from(["x-request-id", "authorization", "trace-bin"]), PRINTABLE, max_size=3),
    timeout=st.none() | PRINTABLE | st.integers(-1, 10**12).map(str),
)
def test_metadata(infer: Any, world: World, metadata: dict[str, str], timeout: str | None) -> None:
    pairs = [(name, text.encode() if name.endswith("-bin") else text) for name, text in metadata.items()]
    pairs += [] if timeout is None else [("x-request-timeout-ms", timeout)]
    call = infer.future(request(world, 1, 6).SerializeToString(), timeout=SECONDS, metadata=pairs)
    check_status(call, *([grpc.StatusCode.UNAVAILABLE] if timeout else []))
