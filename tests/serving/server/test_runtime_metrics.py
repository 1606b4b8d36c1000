"""What a runtime counts and times, without a server around it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from models.time_units import DAY, iso
from serving.errors import UnavailableError
from serving.ranking.reader import OnlineFeatures
from serving.ranking.request import RankingRequest
from serving.ranking.staleness import COLLABORATIVE, KINDS
from serving.server.ranking_runtime import RankingRuntime
from tests.serving.running import logged_lines
from tests.serving.server.runtimes import SwitchableReader, document
from tests.serving.world import World, world_spec


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
        old = [kind for kind in KINDS if kind != COLLABORATIVE]  # the world has no snapshot
        for after, expected in ((DAY + 1, []), (DAY + 2, old)):
            before = [metric("stale", kind=kind) for kind in KINDS]
            request["instances"][0]["context"]["time"] = iso(world.as_of + after)
            assert (await runtime.predict(request))["predictions"][0]["stale"] == expected
            after_it = [n + (kind in expected) for n, kind in zip(before, KINDS, strict=True)]
            assert [metric("stale", kind=kind) for kind in KINDS] == after_it

    run(steps)


def test_latency_counts_the_wait_in_the_queue(
    run: Callable[..., None], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(runtime: RankingRuntime, reader: SwitchableReader) -> None:
        clock = iter((100.0, 107.0))
        monkeypatch.setattr("serving.server.ranking_runtime.monotonic", lambda: next(clock))
        async with runtime.admitted(document(world, 1), {}):
            await runtime.respond(await runtime.score(await runtime.read(document(world, 1), {})))

    run(steps)
    assert [line["latency"] for line in logged_lines(tmp_path / "served")] == [7.0]
