"""The page's choices are read from megabytes of log: for one client at a time, while few wait."""

import asyncio
import threading

import httpx
import pytest
from fastapi import FastAPI

from serving.server.ui import page
from serving.settings.limits import Limits
from serving.settings.settings import Settings
from tests.serving.world import world_spec


def test_further_requests_for_the_choices_get_429(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[None] = []
    goes_on = threading.Event()

    def slow(*_: object) -> dict[str, str]:
        readers.append(None)
        assert goes_on.wait(20)
        return {"name": "a"}

    monkeypatch.setattr(page, "offers", slow)
    limits = Limits(wait_seconds=20)
    settings = Settings("a", "1", bundle="", store_config="", served="", port=0, grpc_port=0, limits=limits)
    app = FastAPI()
    page.mount(app, world_spec(), settings)

    async def steps() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
            pending = [client.get("/ui/offers") for _ in range(6)]
            responses = asyncio.as_completed(pending, timeout=20)
            for response in [await next(responses), await next(responses)]:
                assert (response.status_code, response.headers["retry-after"], list(response.json())) == (
                    429,
                    "1",
                    ["error"],
                )
            assert len(readers) == 1
            goes_on.set()
            assert [(await response).json() for response in responses] == [{"name": "a"}] * 4
            assert (await client.get("/ui/offers")).status_code == 200

    asyncio.run(steps())
