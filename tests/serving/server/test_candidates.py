"""Context of the candidates through a real server: every protocol, the reasons, the served log, the page's choices."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from models.spec import Spec
from serving.settings.limits import Limits
from tests.serving.running import RunningServer, logged_lines, running_server, wait_until
from tests.serving.world import DOCUMENT, World, build_world, world_spec

MOMENT = "2026-01-20T09:00:00Z"
GIVEN: dict[str, list[Any]] = {"price": [0.25, None, 3.0], "campaign": ["phone", "desktop", None]}


def candidate_spec() -> Spec:
    shown = {**DOCUMENT["impressions"], "candidate_context": {"price": "number", "campaign": "category"}}
    return world_spec(impressions=shown, time_features={"hour": {"clock": "hour"}})


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("candidates"), candidate_spec())


@pytest.fixture(scope="module")
def started(own: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(own, tmp_path_factory.mktemp("server"), Limits(items=20)) as found:
        yield found


@pytest.fixture(scope="module")
def http(started: RunningServer) -> Iterator[httpx.Client]:
    with started.client() as found:
        yield found


def instance(world: World, candidates: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if candidates is None else {"candidates": candidates}
    shown = {"member": world.keys("member")[1], "items": world.keys("item")[:3]}
    return {**shown, "context": {"surface": "push", "time": MOMENT}, **given, **more}


def ranked(http: httpx.Client, world: World, candidates: Any = None, **more: Any) -> list[dict[str, Any]]:
    body = {"instances": [instance(world, candidates, **more)]}
    response = http.post(f"/v1/models/{world.name}:predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0]["slate"]


def chances(slate: list[dict[str, Any]]) -> dict[int, float]:
    return {one["item"]: one["probabilities"]["click"] for one in slate}


def test_each_candidate_is_scored_with_its_own_values(http: httpx.Client, own: World) -> None:
    whole, none = chances(ranked(http, own, GIVEN)), chances(ranked(http, own))
    for place, item in enumerate(own.keys("item")[:3]):
        alone = ranked(http, own, {name: [values[place]] for name, values in GIVEN.items()}, items=[item])
        assert chances(alone)[item] == pytest.approx(whole[item], abs=1e-6)
        assert whole[item] != pytest.approx(none[item], abs=1e-6)
    assert chances(ranked(http, own, {"price": None})) == none == chances(ranked(http, own, {}))


def tensors(world: World) -> dict[str, tuple[str, list[Any]]]:
    return {
        "member": ("INT64", [world.keys("member")[1]]),
        "items": ("INT64", world.keys("item")[:3]),
        "surface": ("BYTES", ["push"]),
        "time": ("BYTES", [MOMENT]),
        "price": ("FP32", [0.25, float("nan"), 3.0]),
        "campaign": ("BYTES", ["phone", "desktop", ""]),
    }


def binary(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(len(one).to_bytes(4, "little") + one.encode() for one in values)
    return np.array(values, {"INT64": "<i8", "FP32": "<f4"}[datatype]).tobytes()


def test_tensors_and_grpc_say_the_same(started: RunningServer, http: httpx.Client, own: World) -> None:
    expected = ranked(http, own, GIVEN)
    parts = {name: binary(*tensor) for name, tensor in tensors(own).items()}
    inputs = [
        {"name": name, "datatype": kind, "shape": [len(values)], "parameters": {"binary_data_size": len(parts[name])}}
        for name, (kind, values) in tensors(own).items()
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    found = http.post(f"/v2/models/{own.name}/infer", content=head + b"".join(parts.values()), headers=headers).json()
    outputs = {one["name"]: one["data"] for one in found["outputs"]}
    assert dict(zip(outputs["items"], outputs["probability_click"], strict=True)) == chances(expected)

    message = protocol.ModelInferRequest(model_name=own.name)
    for name, (kind, values) in tensors(own).items():
        tensor = message.inputs.add(name=name, datatype=kind, shape=[len(values)])
        contents = getattr(tensor.contents, {"INT64": "int64", "BYTES": "bytes", "FP32": "fp32"}[kind] + "_contents")
        contents.extend([one.encode() if kind == "BYTES" else one for one in values])
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{started.settings.grpc_port}", options=options) as channel:
        response = GRPCInferenceServiceStub(channel).ModelInfer(message, timeout=20)
    columns = {output.name: output.contents for output in response.outputs}
    assert list(columns["probability_click"].fp64_contents) == [one["probabilities"]["click"] for one in expected]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({"price": [1.0]}, "instances.0.candidates.price: expected 3 values, one per item; found 1"),
        ({"price": [1.0] * 21}, "instances.0.candidates.price: expected at most 20 items; found "),
        ({"price": [1.0, 2**24 + 1, 3]}, "instances.0.candidates.price.1: expected a number that survives as float32"),
        ({"price": [1.0, "2", 3]}, "instances.0.candidates.price.1: expected a valid number; found '2'"),
        ({"price": [1.0, True, 3]}, "instances.0.candidates.price.1: expected a valid number; found True"),
        ({"price": 3}, "instances.0.candidates.price: expected a valid list; found 3"),
        ({"campaign": ["a", 2, "b"]}, "instances.0.candidates.campaign.1: expected a valid string; found 2"),
        ({"campaign": ["a", "x" * 257, "b"]}, "instances.0.candidates.campaign.1: expected string should have at most"),
        ({"color": [1, 2, 3]}, "instances.0.candidates.color: expected only fields that are declared"),
        ({"hour": ["1", "2", "3"]}, "instances.0.candidates.hour: expected only fields that are declared"),
        ([1, 2, 3], "instances.0.candidates: expected "),
    ],
)
def test_what_is_wrong_is_refused(http: httpx.Client, own: World, candidates: Any, message: str) -> None:
    body = {"instances": [instance(own, candidates)]}
    response = http.post(f"/v1/models/{own.name}:predict", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"].startswith(message)


def test_a_tensor_of_another_length_is_refused(http: httpx.Client, own: World) -> None:
    inputs = [
        {"name": name, "datatype": kind, "shape": [len(values[:1])], "data": values[:1]}
        for name, (kind, values) in tensors(own).items()
        if name != "items"
    ]
    inputs.append({"name": "items", "datatype": "INT64", "shape": [3], "data": own.keys("item")[:3]})
    response = http.post(f"/v2/models/{own.name}/infer", json={"inputs": inputs})
    expected = "candidates.price: expected 3 values, one per item; found 1"
    assert (response.status_code, response.json()["error"]) == (400, expected)
    described = {one["name"]: one for one in http.get(f"/v2/models/{own.name}").json()["inputs"]}
    assert described["price"] == {"name": "price", "datatype": "FP64", "shape": [-1]}
    assert described["place"]["shape"] == [1]


def test_reasons_name_them(http: httpx.Client, own: World) -> None:
    slate = ranked(http, own, GIVEN, explain=True)
    named = {(one["kind"], one["feature"]) for each in slate for one in each["reasons"] if "feature" in one}
    assert named & {("context", "price"), ("context", "campaign"), ("time", "hour")}


def test_the_served_log_has_the_values_of_each_line(started: RunningServer, http: httpx.Client, own: World) -> None:
    slate = ranked(http, own, GIVEN)
    folder = Path(started.settings.served)
    ids = {one["impression"] for one in slate}
    lines = wait_until(lambda: [line for line in logged_lines(folder) if line["impression"] in ids])
    by_item = dict(zip(own.keys("item"), zip(GIVEN["price"], GIVEN["campaign"], strict=True), strict=False))
    assert len(lines) == 3
    for line in lines:
        assert (line["features"]["price"], line["features"]["campaign"]) == by_item[line["item"]]
        assert line["features"]["hour"] == "11"  # in Cairo
        assert line["features"]["place"] is None
    offered = http.get("/ui/offers").json()
    assert offered["candidates"] == [{"name": "price", "kind": "number"}, {"name": "campaign", "kind": "category"}]
    newest = next(one for one in offered["latest"] if one["candidates"])
    values = zip(newest["candidates"]["price"], newest["candidates"]["campaign"], strict=True)
    assert dict(zip(map(int, newest["items"]), values, strict=True)) == {item: by_item[item] for item in by_item}
