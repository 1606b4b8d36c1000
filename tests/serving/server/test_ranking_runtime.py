"""The three stages without a server: deadlines, the queues, the fallback, metrics and the served log."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from models.time_units import DAY, iso
from serving.errors import OverloadedError, RequestError, UnavailableError
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from serving.ranking.service import RankingService
from serving.ranking.staleness import KINDS
from serving.server.document import Body
from serving.server.loading import load
from serving.server.ranking_runtime import RankingRuntime, wants_reasons
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from serving.server.tensors import infer_request
from serving.settings.limits import Limits
from serving.settings.settings import Settings
from serving.versions.bundle import read_bundle
from tests.serving.requests import v2
from tests.serving.running import logged_lines
from tests.serving.world import World, world_spec

Steps = Callable[[RankingRuntime, "SwitchableReader"], Awaitable[None]]


class SwitchableReader:
    """The world's store, which can be switched to be down or silent."""

    def __init__(self, reader: OnlineReader) -> None:
        self._reader = reader
        self.mode = "responds"
        self.reads = 0
        self.requested = asyncio.Event()

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        self.reads += 1
        self.requested.set()
        if self.mode == "silent":
            await asyncio.Future()
        if self.mode == "down":
            raise UnavailableError("down") from ConnectionRefusedError("nobody")
        return await self._reader.read(request)

    async def close(self) -> None:
        await self._reader.close()


@pytest.fixture
def run(world: World, tmp_path: Path) -> Callable[..., None]:
    settings = Settings(
        name=world.name,
        version=world.version,
        bundle=str(world.state.parent / "bundle"),
        digest=read_bundle(world.state.parent / "bundle").digest,
        store_config=str(world.store_config),
        served=str(tmp_path / "unused"),
        port=0,
        grpc_port=0,
    )

    def run(steps: Steps, **limits: Any) -> None:
        async def main() -> None:
            loaded = load(settings)
            service: RankingService = loaded._service
            loaded.close()
            reader = SwitchableReader(service.reader)  # type: ignore[arg-type]
            log = ServedLog(ServedFiles(tmp_path / "served"), world.name)
            runtime = RankingRuntime(world.name, replace(service, reader=reader), log, Limits(**limits))
            try:
                await steps(runtime, reader)
            finally:
                runtime.close()
                await reader.close()

        asyncio.run(main())

    return run


def document(world: World, *items: int) -> dict[str, Any]:
    return {"instances": [{"member": world.keys("member")[0], "items": list(items), "context": {"surface": "push"}}]}


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


def metric(name: str, **labels: str) -> float:
    """A counter of this process, summed over the labels that are not given."""
    found = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return sum(
        sample.value
        for sample in found
        if sample.name == f"heliograph_{name}_total" and sample.labels.items() >= labels.items()
    )


def test_vectors_fallbacks_and_refusals_are_counted(run: Callable[..., None], world: World) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        def fates() -> list[float]:
            return [metric("vectors", fate=fate) for fate in ("used", "cold", "of_another_version")]

        before, late, fallbacks = fates(), metric("refused", reason="late"), metric("fallbacks")
        await runtime.predict(document(world, world.keys("item")[0], -7))
        assert [now - then for now, then in zip(fates(), before, strict=True)] == [2, 1, 0]  # the member, two items
        unknown = {"instances": [{"member": -1, "items": [-7], "context": {"surface": "push"}}]}
        await runtime.predict(unknown)
        assert [now - then for now, then in zip(fates(), before, strict=True)] == [2, 3, 0]
        reader.mode = "down"
        await runtime.predict(unknown)
        assert [now - then for now, then in zip(fates(), before, strict=True)] == [2, 3, 0]
        assert metric("fallbacks") == fallbacks + 1
        reader.mode = "silent"
        with pytest.raises(UnavailableError):
            await runtime.predict(unknown, {"x-request-timeout-ms": "10"})
        assert metric("refused", reason="late") == late + 1

    run(steps)


def test_rows_ahead_of_the_clock_are_counted_and_warned_of_once(
    run: Callable[..., None], world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        read = reader.read

        async def ahead(request: RankingRequest) -> OnlineFeatures:
            return replace(await read(request), ahead=3)

        monkeypatch.setattr(reader, "read", ahead)
        before = metric("rows_ahead")
        for _ in range(2):
            await runtime.predict(document(world, world.keys("item")[0]))
        assert metric("rows_ahead") == before + 6

    run(steps)
    assert [record.args for record in caplog.records if "ahead of the clock" in record.message] == [(3,)]


def test_what_is_too_old_is_counted(run: Callable[..., None], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        spec = world_spec(serving={"max_age": {"vectors": "1d", "counters": "3d"}})  # outcomes end two days earlier
        monkeypatch.setattr(runtime, "_service", replace(runtime._service, spec=spec))
        request = document(world, world.keys("item")[0])
        for after, expected in ((DAY + 1, []), (DAY + 2, [*KINDS])):
            before = [metric("stale", kind=kind) for kind in KINDS]
            request["instances"][0]["context"]["time"] = iso(world.as_of + after)
            assert (await runtime.predict(request))["predictions"][0]["stale"] == expected
            assert [metric("stale", kind=kind) for kind in KINDS] == [n + len(expected) / 3 for n in before]

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
