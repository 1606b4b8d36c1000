"""Whatever is sent, over every protocol: an answer in time, no 500, no traceback; the server stays as it was."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol

from serving.endpoint import Endpoint
from tests.serving.test_grpc import request
from tests.serving.test_http import v1, v2
from tests.serving.world import World

JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"
SECONDS = 10.0
HOSTILE = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(), max_size=12)  # with lone surrogates
NUMBERS = st.integers() | st.integers(-(2**64), 2**64) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | st.sampled_from(["push", "2026-01-20T09:00:00Z", "INT64", "BOOL"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
DATATYPES = st.sampled_from(["INT64", "BYTES", "FP64", "FP32", "FP16", "BOOL", "UINT8", "", "TEXT"])
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


@pytest.fixture(scope="module", autouse=True)
def quiet(server: Endpoint, world: World) -> Iterator[None]:
    """Afterwards the server is ready, and its log tells of no failure."""
    yield
    assert httpx.get(f"http://127.0.0.1:{server.port}/v2/health/ready", trust_env=False).status_code == 200
    text = Path(world.state / "endpoint" / "server.log").read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "unexpected" not in text, text[-2000:]


def answered(client: httpx.Client, path: str, content: bytes, headers: dict[str, str]) -> None:
    answer = client.post(path, content=content, headers=headers, timeout=SECONDS)
    assert answer.status_code in (200, 400, 413), (answer.status_code, answer.text[:300])
    assert "Traceback" not in answer.text
    if answer.status_code != 200:
        assert list(answer.json()) == ["error"]


@HOSTILE
@given(data=st.data())
def test_documents(client: httpx.Client, world: World, data: st.DataObject) -> None:
    path, whole = data.draw(
        st.sampled_from(
            [
                (f"/v1/models/{world.name}:predict", v1(world, 1, 6, device="phone", position=2)),
                (f"/v2/models/{world.name}/infer", v2(world, 1, 6, explain=("BOOL", [False]))),
            ]
        )
    )
    content = json.dumps(data.draw(mutated(whole) | VALUES)).encode()
    answered(client, path, content, {"content-type": JSON_TYPE})


@HOSTILE
@given(data=st.data())
def test_bytes(client: httpx.Client, world: World, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([f"/v1/models/{world.name}:predict", f"/v2/models/{world.name}/infer"]))
    whole = json.dumps(v2(world, 1, 6)).encode()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    content = whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:]
    kind = data.draw(st.sampled_from([JSON_TYPE, "application/json; charset=latin-1", BINARY_TYPE, "text/plain", ""]))
    answered(client, path, content, {"content-type": kind})


@HOSTILE
@given(data=st.data())
def test_binary_tensors(client: httpx.Client, world: World, data: st.DataObject) -> None:
    whole = v2(world, 1, 6)
    whole["inputs"][1] = {
        **{"name": "items", "datatype": "INT64", "shape": [2]},
        "parameters": {"binary_data_size": 16},
    }
    text = json.dumps(data.draw(mutated({**whole, "parameters": {"binary_data_output": True}}))).encode()
    length = data.draw(st.just(len(text)) | st.integers(-1, len(text) + 40))
    tail = data.draw(st.binary(max_size=40) | st.just(bytes(8) + (6).to_bytes(8, "little")))
    headers = {"content-type": BINARY_TYPE, "inference-header-content-length": str(length)}
    answered(client, f"/v2/models/{world.name}/infer", text + tail, headers)


@HOSTILE
@given(data=st.data())
def test_headers(client: httpx.Client, world: World, data: st.DataObject) -> None:
    texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)
    names = ["x-request-id", "x-request-timeout-ms", "inference-header-content-length", "ce-id", "accept", "expect"]
    headers = data.draw(st.dictionaries(st.sampled_from(names), texts, max_size=3))
    content = json.dumps(v2(world, 1, 6)).encode()
    answered(client, f"/v2/models/{world.name}/infer", content, {"content-type": JSON_TYPE, **headers})


@pytest.fixture(scope="module")
def infer(server: Endpoint) -> Iterator[Any]:
    """ModelInfer of messages that are bytes."""
    with grpc.insecure_channel(server.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")


def told(infer: Any, message: bytes) -> None:
    call = infer.future(message, timeout=SECONDS)
    assert call.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), call
    assert "Traceback" not in call.details()


@HOSTILE
@given(data=st.data())
def test_messages(infer: Any, world: World, data: st.DataObject) -> None:
    message = request(world, 1, 6)
    names = st.sampled_from(["member", "items", "surface", "time", "position", "device", "explain", ""])
    for _ in range(data.draw(st.integers(0, 3))):
        tensor = data.draw(st.sampled_from(list(message.inputs))) if data.draw(st.booleans()) else message.inputs.add()
        tensor.name, tensor.datatype = data.draw(names), data.draw(DATATYPES)
        tensor.shape[:] = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=3))
        for field, values in data.draw(CONTENTS).items():
            getattr(tensor.contents, field)[:] = values
    message.raw_input_contents.extend(data.draw(st.lists(st.binary(max_size=24), max_size=4)))
    told(infer, message.SerializeToString())


@HOSTILE
@given(data=st.data())
def test_messages_of_damaged_bytes(infer: Any, world: World, data: st.DataObject) -> None:
    whole = request(world, 1, 6).SerializeToString()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    told(infer, whole[:start] + data.draw(st.binary(max_size=20)) + whole[end:])


def test_a_sound_message_is_still_answered(infer: Any, world: World) -> None:
    answer = protocol.ModelInferResponse.FromString(infer(request(world, 1, 6).SerializeToString(), timeout=SECONDS))
    assert answer.model_version == world.version
