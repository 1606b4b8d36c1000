"""The request guard without a server: checks, slow bodies, too many bodies, errors."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from serving.server.drain import Drain
from serving.server.guard import RequestGuard
from serving.settings.limits import Limits

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
    if scope["method"] == "POST":
        assert await receive() == WHOLE
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def run(steps: Callable[[RequestGuard], Awaitable[None]], **limits: Any) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await steps(RequestGuard(application, Limits(**limits)))

    asyncio.run(bounded())


def test_a_body_that_comes_too_slowly_is_not_waited_for() -> None:
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


def test_beyond_so_many_bodies_at_once_the_slowest_is_told_to_come_back() -> None:
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


def test_without_the_token_nothing_is_read_or_counted() -> None:
    async def steps(_: RequestGuard) -> None:
        drain = Drain(60)
        guard = RequestGuard(application, Limits(bodies=1), "a-token-of-some-length", drain)
        strangers = [Call() for _ in range(3)]
        for call in strangers:
            await call.through(guard)  # their bodies never come
        assert {call.status for call in strangers} == {401}
        drain.begin()
        await asyncio.sleep(0.35)  # the time that nobody may have asked in
        await Call().through(guard)
        assert drain.finished()

    run(steps)


def test_a_probe_is_answered_where_all_bodies_are_taken() -> None:
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


def test_a_caller_who_goes_away_leaves_room() -> None:
    async def steps(guard: RequestGuard) -> None:
        for _ in range(3):
            gone = Call()
            gone.body.put_nowait({"type": "http.disconnect"})
            await gone.through(guard)
            assert gone.status == 400

    run(steps, bodies=1)
