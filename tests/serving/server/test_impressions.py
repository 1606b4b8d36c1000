"""Ids of impressions of a real server: made by it, in every form of the answer, and in the served log."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.deployment.endpoint import Endpoint
from tests.serving.requests import outputs, v1, v2
from tests.serving.running import broken_store, logged_lines, wait_until
from tests.serving.server.test_grpc import request
from tests.serving.world import World


@pytest.fixture
def stub(server: Endpoint) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield GRPCInferenceServiceStub(channel)


def logged(folder: Path, ids: list[str]) -> list[dict[str, Any]]:
    """The lines of these impressions, in the order of the ids."""

    def lines() -> dict[str, dict[str, Any]]:
        return {line["impression"]: line for line in logged_lines(folder / "served")}

    wait_until(lambda: set(ids) <= lines().keys(), 20)
    found = lines()
    return [found[one] for one in ids]


def test_ids_are_the_servers_whatever_the_caller_sends(
    client: httpx.Client, world: World, predict: str, server_folder: Path
) -> None:
    items = world.keys("item")[:3]
    mine = str(uuid.uuid4())
    two = {"instances": v1(world, *items)["instances"] * 2}
    calls = set()
    for _ in range(2):
        slates = client.post(predict, json=two, headers={"x-request-id": mine}).json()["predictions"]
        assert [slate["request_id"] for slate in slates] == [mine] * 2
        ids = [candidate["impression"] for slate in slates for candidate in slate["slate"]]
        (call,) = {one.partition("/")[0] for one in ids}
        assert uuid.UUID(call).version == 4
        assert ids == [f"{call}/{slate}/{rank}" for slate in range(2) for rank in range(3)]
        calls.add(call)
        shown = [candidate["item"] for slate in slates for candidate in slate["slate"]]
        lines = logged(server_folder, ids)
        assert [(line["request"], line["item"]) for line in lines] == [(mine, item) for item in shown]
        assert [(line["slate"], line["rank"]) for line in lines] == [(s, r) for s in range(2) for r in range(3)]
        assert {candidate["propensity"] for slate in slates for candidate in slate["slate"]} == {1.0}
        assert {line["propensity"] for line in lines} == {1.0}
    assert len(calls | {mine}) == 3


def test_tensors_and_the_fallback_have_ids_too(
    client: httpx.Client, stub: GRPCInferenceServiceStub, world: World, infer: str, predict: str, server_folder: Path
) -> None:
    items = world.keys("item")[:3]
    found = outputs(client.post(infer, json=v2(world, *items)))
    contents = {one.name: one.contents for one in stub.ModelInfer(request(world, *items), timeout=20).outputs}
    with broken_store(world):
        (fallback,) = client.post(predict, json=v1(world, *items)).json()["predictions"]
    assert fallback["fallback"] is True
    answers: list[tuple[list[str], list[int], list[float]]] = [
        (found["impression"], found["items"], found["propensity"]),
        (
            [one.decode() for one in contents["impression"].bytes_contents],
            list(contents["items"].int64_contents),
            list(contents["propensity"].fp64_contents),
        ),
        tuple([one[name] for one in fallback["slate"]] for name in ("impression", "item", "propensity")),  # type: ignore[list-item]
    ]
    for ids, shown, propensities in answers:
        assert [line["item"] for line in logged(server_folder, ids)] == shown
        assert [one.partition("/")[2] for one in ids] == ["0/0", "0/1", "0/2"]
        assert propensities == [1.0] * 3
    assert len({ids[0] for ids, _, _ in answers}) == 3
