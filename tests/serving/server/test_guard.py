"""The request guard without a server: checks, slow bodies, too many bodies, errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from serving.errors import RequestError
from serving.server.document import Body
from serving.server.drain import Drain
from serving.server.guard import BODY, RequestGuard
from serving.settings.limits import Limits

pytestmark = pytest.mark.serial

WHOLE = {"type": "http.request", "body": b"{}", "more_body": False}


class Call:
    """One request, whose body can be withheld, and its response."""

    def __init__(self) -> None:
        self.body: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def through(self, guard: RequestGuard) -> Awaitable[None]:
        headers = [(b"x-request-id", b"mine")]
        scope = {"type": "http", "method": "POST", "path": "/v1/models/a:predict", "headers": headers}
        return guard({**scope, "headers": [*headers, (b"content-type", b"application/json")]}, self.body.get, self.send)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Accepts every request that the guard passes on."""
    if scope["method"] == "POST" and BODY in scope:
        assert await receive() == WHOLE
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def run(steps: Callable[[RequestGuard], Awaitable[None]], **limits: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await steps(RequestGuard(application, Limits(**limits)))

    asyncio.run(bounded())


def test_a_slow_body_is_given_up() -> None:
    async def steps(guard: RequestGuard) -> None:
        slow, quick = Call(), Call()
        slow.body.put_nowait({**WHOLE, "more_body": True})
        await slow.through(guard)
        assert (slow.status, slow.headers[b"x-request-id"]) == (408, b"mine")
        assert "0.05 s" in json.loads(slow.sent[1]["body"])["error"]
        quick.body.put_nowait(WHOLE)
        await quick.through(guard)
        assert quick.status == 200

    run(steps, body_seconds=0.05)


def test_beyond_the_limit_of_bodies_the_slowest_is_given_up() -> None:
    """A client who begins many bodies and ends none locks nobody out: the newest has room."""

    async def steps(guard: RequestGuard) -> None:
        slowest, slow, quick = Call(), Call(), Call()
        waiting = []
        for call in (slowest, slow):
            waiting.append(asyncio.ensure_future(call.through(guard)))
            await asyncio.sleep(0)  # it has begun
        quick.body.put_nowait(WHOLE)
        await quick.through(guard)
        assert quick.status == 200
        await waiting[0]
        assert (slowest.status, slowest.headers[b"retry-after"]) == (429, b"1")
        slow.body.put_nowait(WHOLE)
        await waiting[1]
        assert slow.status == 200

    run(steps, bodies=2)


def test_without_the_token_nothing_is_read_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(_: RequestGuard) -> None:
        drain = Drain(60)
        guard = RequestGuard(application, Limits(bodies=1), "a-token-of-some-length", drain)
        strangers = [Call() for _ in range(3)]
        for call in strangers:
            await call.through(guard)  # their bodies never come
        assert {call.status for call in strangers} == {401}
        drain.begin()
        monkeypatch.setattr("serving.server.drain._QUIET_SECONDS", 0.0)
        await Call().through(guard)
        assert drain.finished()

    run(steps)


def test_a_probe_needs_no_room_for_a_body() -> None:
    async def steps(guard: RequestGuard) -> None:
        arriving, probe = Call(), Call()
        waiting = asyncio.ensure_future(arriving.through(guard))
        await asyncio.sleep(0)  # it has begun
        scope = {"type": "http", "method": "GET", "path": "/v2/health/live", "headers": []}
        await guard(scope, probe.body.get, probe.send)
        assert probe.status == 200
        arriving.body.put_nowait(WHOLE)
        await waiting

    run(steps, bodies=1)


def test_a_client_that_disconnects_makes_room() -> None:
    async def steps(guard: RequestGuard) -> None:
        for _ in range(3):
            gone = Call()
            gone.body.put_nowait({"type": "http.disconnect"})
            await gone.through(guard)
            assert gone.status == 400

    run(steps, bodies=1)


V1, V2 = "/v1/models/a:predict", "/v2/models/a/infer"
JSON_TYPE, BINARY_TYPE = (b"content-type", b"application/json"), (b"content-type", b"application/octet-stream")


def pass_through(
    path: str = V1,
    body: bytes = b"{}",
    headers: Sequence[tuple[bytes, bytes]] = (JSON_TYPE,),
    method: str = "POST",
    app: Any = None,
    drain: Drain | None = None,
    **limits: Any,
) -> tuple[Call, dict[str, Any]]:
    """Send one request through a guard; returns its response, and its scope as the application sees it."""
    seen: dict[str, Any] = {}

    async def keep(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, received=(await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    call = Call()
    call.body.put_nowait({"type": "http.request", "body": body, "more_body": False})
    guard = RequestGuard(app or keep, Limits(**limits), drain=drain)
    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(guard(scope, call.body.get, call.send))  # type: ignore[arg-type]
    return call, seen


def error_of(call: Call) -> str:
    return str(json.loads(call.sent[1]["body"])["error"])


def test_the_parsed_body_the_id_and_a_plain_content_type_are_passed_on() -> None:
    kind = (b"content-type", b"application/json; charset=utf-8")
    call, seen = pass_through(body=b'{"id": "of-body"}', headers=[kind, (b"accept", b"*/*")])
    assert (call.status, seen["received"]) == (200, b'{"id": "of-body"}')
    assert seen[BODY] == Body({"id": "of-body"}, None)
    assert dict(seen["headers"]) == {b"accept": b"*/*", JSON_TYPE[0]: JSON_TYPE[1], b"x-request-id": b"of-body"}
    assert call.headers[b"x-request-id"] == b"of-body"


def test_a_v2_body_is_validated_and_split() -> None:
    document = {"inputs": [{"name": "a", "datatype": "INT8", "shape": [2], "parameters": {"binary_data_size": 2}}]}
    text = json.dumps(document).encode()
    headers = [BINARY_TYPE, (b"inference-header-content-length", str(len(text)).encode())]
    _, seen = pass_through(V2, text + b"ab", headers)
    assert seen[BODY] == Body(document, b"ab")
    assert dict(seen["headers"])[b"content-type"] == BINARY_TYPE[1]
    call, seen = pass_through(V2, text + b"abc", headers)
    assert (call.status, seen) == (400, {})
    assert "expected 2 bytes of tensors" in error_of(call)


def test_other_requests_are_passed_on_unparsed() -> None:
    for path, method in (("/metrics", "GET"), ("/v1/models/a", "POST"), (V1, "GET")):
        call, seen = pass_through(path, b"[", (), method)
        assert (call.status, seen["received"]) == (200, b"[")
        assert BODY not in seen


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_the_maximum_size_is_accepted_and_no_larger_one(declared: bool) -> None:
    body = b'{"a": 123}'
    for most, status in ((len(body), 200), (len(body) - 1, 413)):
        headers = [JSON_TYPE, (b"content-length", str(len(body)).encode())] if declared else [JSON_TYPE]
        assert pass_through(body=body, headers=headers, body_bytes=most)[0].status == status


def test_a_declared_length_above_the_limit_is_refused_before_the_body_is_read() -> None:
    call = Call()  # its body never arrives
    headers = [JSON_TYPE, (b"content-length", b"11")]
    scope = {"type": "http", "method": "POST", "path": V1, "headers": headers}
    asyncio.run(asyncio.wait_for(RequestGuard(application, Limits(body_bytes=10))(scope, call.body.get, call.send), 20))
    assert call.status == 413


@pytest.mark.parametrize("path", ["/v1/models/a:explain", "/v2/models/a/versions/1/infer", "/v2/repository/index"])
def test_closed_paths_are_not_found(path: str) -> None:
    call, seen = pass_through(path)
    assert (call.status, seen) == (404, {})


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ((b"content-encoding", b"gzip"), "content-encoding: expected none; found 'gzip'"),
        ((b"ce-id", b"1"), "expected a plain request; found the headers of a CloudEvent"),
        (JSON_TYPE, "content-type: expected this header once; found it 2 times"),
    ],
)
def test_headers_that_are_not_supported_are_refused(header: tuple[bytes, bytes], reason: str) -> None:
    call, seen = pass_through(headers=[JSON_TYPE, header])
    assert (call.status, error_of(call), seen) == (400, reason, {})


def test_an_identity_encoding_and_repeated_headers_without_effect_are_accepted() -> None:
    headers = [JSON_TYPE, (b"content-encoding", b"Identity"), (b"accept", b"a"), (b"accept", b"b")]
    assert pass_through(headers=headers)[0].status == 200


def test_an_error_of_ours_becomes_its_response_and_any_other_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        raise RequestError("items: none")

    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("secret")

    call, _ = pass_through(app=refuse)
    assert (call.status, error_of(call), caplog.records) == (400, "items: none", [])
    call, _ = pass_through(app=fail)
    assert (call.status, error_of(call)) == (500, "the server failed; its log says where")
    assert len(caplog.records) == 1


def test_an_error_after_the_response_has_begun_is_raised() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RequestError("too late")

    with pytest.raises(RequestError, match="too late"):
        pass_through(app=fail)


def test_connections_are_closed_during_the_drain_only() -> None:
    drain = Drain(60)
    assert b"connection" not in pass_through(drain=drain)[0].headers
    drain.begin()
    assert pass_through(drain=drain)[0].headers[b"connection"] == b"close"


def test_a_request_is_in_flight_until_its_response(monkeypatch: pytest.MonkeyPatch) -> None:
    drain = Drain(60)
    drain.begin()
    monkeypatch.setattr("serving.server.drain._QUIET_SECONDS", -1.0)  # finished as soon as nothing is in flight
    finished: list[bool] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        finished.append(drain.finished())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    pass_through(app=look, drain=drain)
    assert [*finished, drain.finished()] == [False, True]
