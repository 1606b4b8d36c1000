"""The page's choices are read from megabytes of log: for one client at a time, while few wait."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serving.server.ui import page
from serving.server.ui.offers import latest_slates
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


def test_the_recent_slates_are_newest_first_whatever_the_logs_damage(tmp_path: Path) -> None:
    assert latest_slates(tmp_path / "none", []) == []
    whole = [*lines(1, 10, 5), *lines(2, 20, 6, 5), *lines(1, 30, 7)]
    headless = lines(8, 5, 1, 2)[1:]
    torn = b'{"served": 40, "member": 9, "ite'
    (tmp_path / "2026-01-01.jsonl").write_bytes(
        b"\n".join([*(json.dumps(one).encode() for one in headless + whole), torn])
    )
    (tmp_path / "2025-01-01.jsonl").symlink_to(tmp_path / "gone")  # as a file that is removed while it is looked at
    found = latest_slates(tmp_path, ["device"])
    assert [(one["member"], one["items"]) for one in found] == [("1", ["7"]), ("2", ["6", "5"])]
    assert found[0]["context"] == {"device": "phone"}
    assert [one["time"] for one in found] == [None, None]


def lines(member: int, served: int, *items: int) -> list[dict[str, Any]]:
    features = {"device": "phone", "member_counts_exposures": 3.0}
    slate = {"served": served, "request": "r", "slate": 0, "time": 5, "member": member, "surface": "push"}
    return [{**slate, "rank": rank, "item": item, "features": features} for rank, item in enumerate(items)]
