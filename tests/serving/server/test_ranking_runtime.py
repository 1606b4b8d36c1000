"""The three stages without a server: deadlines, the queues, the fallback, metrics and the served log."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.ranking.service import RankingService
from serving.server.document import Body
from serving.server.ranking_runtime import RankingRuntime, wants_reasons
from serving.server.tensors import infer_request
from tests.serving.requests import v2
from tests.serving.running import logged_lines
from tests.serving.server.runtimes import SwitchableReader, document
from tests.serving.world import World


def test_while_the_store_is_down_slates_are_ranked_by_popularity(
    run: Callable[..., None], world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = world.keys("item")[:4]

    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        reader.mode = "down"
        for _ in range(3):
            (found,) = (await runtime.predict(document(world, *reversed(items), -7)))["predictions"]
            assert (found["fallback"], found["member_cold"]) == (True, True)
            assert [ranked["item"] for ranked in found["slate"]] == [*items, -7]
            assert found["slate"][4]["probabilities"] == {"click": 0.2, "dwell": 0.1}
        reader.mode = "responds"
        (found,) = (await runtime.predict(document(world, *items)))["predictions"]
        assert (found["fallback"], found["member_cold"]) == (False, False)

    run(steps)
    assert [record.levelname for record in caplog.records if record.name == "heliograph"] == ["WARNING"] * 2
    assert "ConnectionRefusedError" in caplog.text
    lines = logged_lines(tmp_path / "served")
    assert [line["fallback"] for line in lines] == [True] * 15 + [False] * 4
    assert len({line["latency"] for line in lines}) == 4  # a slate's
    assert all(0 < line["latency"] < 60 for line in lines)
    assert lines[0]["as_of"] == 0 < lines[-1]["as_of"]


def test_a_deadline_holds_for_all_three_stages_and_makes_room(run: Callable[..., None], world: World) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        reader.mode = "silent"
        with pytest.raises(UnavailableError, match=r"within 0.05 s"):
            await runtime.predict(document(world, 1))
        with pytest.raises(UnavailableError, match=r"within 0.01 s"):
            await runtime.predict(document(world, 1), {"x-request-timeout-ms": "10"})
        reader.mode = "responds"
        with pytest.raises(RequestError):
            await runtime.predict({"instances": [{}]})

    run(steps, deadline_seconds=0.05, concurrent=1)


def test_beyond_the_queue_requests_are_refused_and_read_nothing(run: Callable[..., None], world: World) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        reader.mode = "silent"
        first = asyncio.create_task(runtime.predict(document(world, 1)))
        await reader.requested.wait()
        with pytest.raises(OverloadedError) as refused:
            await runtime.predict(document(world, 1))
        assert (refused.value.retry_after, reader.reads) == (1, 1)
        with pytest.raises(UnavailableError):
            await first

    run(steps, concurrent=1, waiting=0, deadline_seconds=0.2)


def test_requests_for_reasons_do_not_block_others(
    run: Callable[..., None], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    explaining, go_on = threading.Event(), threading.Event()

    def held(*_: Any) -> list[list[Any]]:
        explaining.set()
        assert go_on.wait(20)
        return [[]]

    monkeypatch.setattr(RankingService, "explain", held)

    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        requested = document(world, 1)
        requested["instances"][0]["explain"] = True
        reasons = [asyncio.create_task(runtime.predict(requested)) for _ in range(5)]
        await asyncio.to_thread(explaining.wait, 20)
        for _ in range(3):
            assert (await runtime.predict(document(world, 1)))["predictions"]
        go_on.set()
        found = await asyncio.gather(*reasons, return_exceptions=True)
        assert [type(one) for one in found].count(OverloadedError) == 1  # one at work, three in line

    run(steps, concurrent=1, waiting=0, wait_seconds=15, deadline_seconds=20)


ODD: list[Any] = [{}, [], {"instances": None}, {"instances": {"explain": True}}, {"instances": [5, None, [{"a": 1}]]}]


@pytest.mark.parametrize("payload", [*ODD, {"instances": [{"explain": False}, {}]}])
def test_other_requests_wait_in_the_common_queue(payload: Any) -> None:
    assert not wants_reasons(payload)


def test_one_instance_or_tensor_requests_reasons() -> None:
    assert wants_reasons({"instances": [{}, {"explain": True}]})
    for data, raw, expected in (([True], None, 1), ([False], None, 0), (None, b"\1", 1), (None, b"\0", 0)):
        tensor = SimpleNamespace(name="explain", data=data, _raw_data=raw)
        assert wants_reasons(SimpleNamespace(inputs=[SimpleNamespace(name="items"), tensor])) == expected


def test_it_is_ready_once_the_store_has_responded(run: Callable[..., None], world: World) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        reader.mode = "down"
        starting = asyncio.create_task(runtime.start())
        await reader.requested.wait()
        assert (await runtime.predict(document(world, 1)))["predictions"][0]["fallback"]
        assert not runtime.ready
        reader.mode = "responds"
        await asyncio.wait_for(starting, 20)
        assert runtime.ready

    run(steps)


def test_tensors_of_another_version_are_refused(run: Callable[..., None], world: World) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        body = Body(v2(world, world.keys("item")[0]))
        for version, served in (("", True), (world.version, True), ("99", False)):
            request = infer_request(body, world.name)
            request.model_version = version
            if served:
                assert (await runtime.infer(request)).model_version == world.version
            else:
                with pytest.raises(RequestError, match="model_version: expected 1 or none; found '99'"):
                    await runtime.infer(request)

    run(steps)


def test_every_impression_is_a_line_with_its_request(run: Callable[..., None], world: World, tmp_path: Path) -> None:
    items = world.keys("item")[:3]

    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        two = {"instances": document(world, *items)["instances"] + document(world, items[0])["instances"]}
        found = await runtime.predict(two, {"x-request-id": "trace-7"})
        assert [slate["request_id"] for slate in found["predictions"]] == ["trace-7"] * 2
        made = await runtime.predict(document(world, items[0]))
        assert len(made["predictions"][0]["request_id"]) == 36

    run(steps)
    lines = logged_lines(tmp_path / "served")
    assert [(line["request"], line["slate"], line["rank"]) for line in lines[:4]] == [
        ("trace-7", 0, 0),
        ("trace-7", 0, 1),
        ("trace-7", 0, 2),
        ("trace-7", 1, 0),
    ]
    for line in lines:
        assert line["surface"] == "push"
        assert line["model_version"] == world.version
        assert set(line["probabilities"]) == {"click", "dwell"}
        assert line["score"] == line["probabilities"]["click"]
        assert 0 <= line["served"] - line["as_of"] < 60_000_000
