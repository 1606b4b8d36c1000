"""Fast path without a server: v1 and v2 handlers, and what passes through."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from kserve import InferOutput, InferRequest, InferResponse

from serving.errors import RequestError
from serving.server.document import BINARY, JSON, JSON_LENGTH, Body
from serving.server.fast_path import FastPath, Handler, v1_handler, v2_handler
from serving.server.guard import BODY

V1, V2 = "/v1/models/a:predict", "/v2/models/a/infer"


async def routes(scope: Any, receive: Any, send: Any) -> None:
    """The application behind: responds with the path of the request."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def echo(document: Any, headers: Mapping[str, str]) -> Any:
    return {"document": document, "id": headers["x-request-id"]}


async def reverse(request: Any, headers: Mapping[str, str]) -> Any:
    """The items in reverse order, as bytes if the request wants bytes."""
    assert isinstance(request, InferRequest)
    items = [
        item
        for tensor in request.inputs
        for item in (tensor.as_numpy().tolist() if tensor._raw_data is not None else tensor.data)
    ]
    output = InferOutput("items", [len(items)], "INT64", items[::-1])
    return InferResponse("1", request.model_name, [output], use_binary_outputs=bool(request.use_binary_outputs))


def send(handlers: Mapping[str, Handler], path: str, body: Body, method: str = "POST") -> tuple[int, Any, bytes]:
    """Status, headers and content of the response."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        pytest.fail("the guard has read the body")

    async def keep(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"x-request-id", b"mine")], BODY: body}
    asyncio.run(FastPath(routes, handlers)(scope, receive, keep))
    start, content = sent
    return start["status"], dict(start["headers"]), content["body"]


def test_a_v1_document_gets_the_models_result() -> None:
    status, headers, content = send({V1: v1_handler(echo)}, V1, Body({"instances": [1]}))
    assert (status, json.loads(content)) == (200, {"document": {"instances": [1]}, "id": "mine"})
    assert headers == {b"content-type": JSON.encode(), b"content-length": str(len(content)).encode()}


ITEMS = {"name": "items", "datatype": "INT64", "shape": [2]}


def test_v2_tensors_as_json_get_tensors_as_json() -> None:
    status, headers, content = send({V2: v2_handler(reverse, "a")}, V2, Body({"inputs": [{**ITEMS, "data": [1, 2]}]}))
    assert (status, headers[b"content-type"]) == (200, JSON.encode())
    assert JSON_LENGTH.encode() not in headers
    found = json.loads(content)
    assert (found["model_name"], found["parameters"], found["outputs"]) == (
        "a",
        None,
        [{**ITEMS, "data": [2, 1], "parameters": None}],
    )


def test_v2_tensors_as_bytes_get_tensors_as_bytes() -> None:
    sized = {**ITEMS, "parameters": {"binary_data_size": 16}}
    other = {"name": "other", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}
    document = {"inputs": [sized, other], "parameters": {"binary_data_output": True}}
    body = Body(document, np.array([1, 2, 3], np.int64).tobytes())
    status, headers, content = send({V2: v2_handler(reverse, "a")}, V2, body)
    assert (status, headers[b"content-type"]) == (200, BINARY.encode())
    length = int(headers[JSON_LENGTH.encode()])
    assert json.loads(content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert np.frombuffer(content[length:], np.int64).tolist() == [3, 2, 1]


@pytest.mark.parametrize(("path", "method"), [("/v1/models/b:predict", "POST"), (V1, "GET"), ("/v2/a", "POST")])
def test_other_requests_pass_through(path: str, method: str) -> None:
    assert send({V1: v1_handler(echo)}, path, Body({}), method) == (404, {}, path.encode())


def test_errors_are_left_to_the_guard() -> None:
    async def fail(document: Any, headers: Any) -> Any:
        raise RequestError("items: none")

    with pytest.raises(RequestError, match="items: none"):
        send({V1: v1_handler(fail)}, V1, Body({}))
