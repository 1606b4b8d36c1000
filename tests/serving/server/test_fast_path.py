"""The short way of a v1 document, without a server."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from serving.errors import OverloadedError, RefusalError, RequestError, UnavailableError
from serving.server.fast_path import FastPath
from serving.server.guard import DOCUMENT

PATH = "/v1/models/a:predict"


async def routes(scope: Any, receive: Any, send: Any) -> None:
    """What lies behind: it says which path it was asked for."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def echo(document: Any, headers: Mapping[str, str]) -> Any:
    return {"document": document, "id": headers["x-request-id"]}


def ask(predict: Any = echo, path: str = PATH, method: str = "POST", document: Any = None) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        pytest.fail("the guard has read the body")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"x-request-id", b"mine")]}
    scope[DOCUMENT] = document or {}
    asyncio.run(FastPath(routes, PATH, predict)(scope, receive, send))
    start, body = sent
    if start["status"] == 200:
        assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    return start["status"], body["body"]


def test_a_document_is_answered_with_what_the_model_says() -> None:
    status, body = ask(document={"instances": [1]})
    assert (status, json.loads(body)) == (200, {"document": {"instances": [1]}, "id": "mine"})


@pytest.mark.parametrize(("path", "method"), [("/v1/models/b:predict", "POST"), (PATH, "GET"), ("/v2/a", "POST")])
def test_everything_else_goes_to_the_routes(path: str, method: str) -> None:
    assert ask(path=path, method=method) == (404, path.encode())


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (RequestError("items: none"), 400, {}),
        (OverloadedError("too many", 3), 429, {"retry-after": "3"}),
        (UnavailableError("late"), 503, {}),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(
    error: Exception, status: int, headers: dict[str, str]
) -> None:
    async def fail(document: Any, given: Any) -> Any:
        raise error

    with pytest.raises(RefusalError) as refused:
        ask(fail)
    assert (refused.value.status, refused.value.reason, refused.value.headers) == (status, str(error), headers)
