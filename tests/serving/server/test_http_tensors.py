"""The v2 protocol over HTTP: tensors as JSON and as bytes."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from serving.settings.limits import Limits
from tests.serving.requests import outputs, refused, v1, v2
from tests.serving.world import World

LIMITS = Limits()


def test_v2_returns_what_v1_returns(client: httpx.Client, world: World, predict: str, infer: str) -> None:
    items, moment = world.keys("item"), "2026-01-20T09:00:00Z"
    (expected,) = client.post(predict, json=v1(world, *items, time=moment, device="phone", place=3)).json()[
        "predictions"
    ]
    context = {"time": ("BYTES", [moment]), "device": ("BYTES", ["phone"]), "place": ("FP64", [3.0])}
    response = client.post(infer, json=v2(world, *items, **context))
    found = outputs(response)
    assert found["items"] == [ranked["item"] for ranked in expected["slate"]]
    for task in ("click", "dwell"):
        assert found[f"probability_{task}"] == [ranked["probabilities"][task] for ranked in expected["slate"]]
    assert found["score"] == [ranked["score"] for ranked in expected["slate"]]
    assert list(map(json.loads, found["adjustments"])) == [ranked["adjustments"] for ranked in expected["slate"]]
    assert found["cold"] == [False] * len(items)
    assert (found["member_cold"], found["model_version"]) == ([False], [world.version])
    assert len(response.json()["id"]) > 8
    named = {**v2(world, *items), "id": "mine", "outputs": [{"name": "items"}]}
    assert client.post(infer, json=named).json()["id"] == "mine"
    assert list(outputs(client.post(infer, json=named))) == ["items"]
    nested = v2(world, *items)
    nested["inputs"][1].update(shape=[1, len(items)], data=[items])
    assert sorted(outputs(client.post(infer, json=nested))["items"]) == items


def test_the_metadata_name_the_tensors(client: httpx.Client, world: World) -> None:
    metadata = client.get(f"/v2/models/{world.name}").json()
    assert {tensor["name"] for tensor in metadata["inputs"]} == {
        "member",
        "items",
        "surface",
        "time",
        "place",
        "device",
        "explain",
    }
    assert {"name": "probability_click", "datatype": "FP64", "shape": [-1]} in metadata["outputs"]
    assert client.get(f"/v2/models/{world.name}/ready").json()["ready"] is True


@pytest.mark.parametrize("length", ["2", "x", "999999", "", "0" * 5000, "9" * 5000, "-2", "+2", "1_0", "0x2", "2.0"])
def test_broken_binary_requests_are_refused(client: httpx.Client, infer: str, length: str) -> None:
    header = {"content-type": "application/octet-stream", "inference-header-content-length": length}
    refused(client.post(infer, content=b"{}", headers=header))


def test_binary_tensors_get_binary_tensors(client: httpx.Client, world: World, infer: str) -> None:
    items = np.array(world.keys("item"), np.int64)
    document = v2(world, 1)
    document["inputs"][1] = {
        "name": "items",
        "datatype": "INT64",
        "shape": [len(items)],
        "parameters": {"binary_data_size": items.nbytes},
    }
    document["parameters"] = {"binary_data_output": True}
    text = json.dumps(document).encode()
    header = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    response = client.post(infer, content=text + items.tobytes(), headers=header)
    assert response.status_code == 200, response.text
    length = int(response.headers["inference-header-content-length"])
    first = json.loads(response.content[:length])["outputs"][0]
    size = first["parameters"]["binary_data_size"]
    assert sorted(np.frombuffer(response.content[length : length + size], np.int64)) == sorted(items)
    refused(client.post(infer, content=text + items.tobytes()[:-3], headers=header))


def binary(document: dict[str, Any], tail: bytes = b"") -> dict[str, Any]:
    """What httpx takes to send a request in binary."""
    text = json.dumps(document).encode()
    kind = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    return {"content": text + tail, "headers": kind}


def test_an_output_can_have_its_own_form(client: httpx.Client, world: World, infer: str) -> None:
    named = [{"name": "items", "parameters": {"binary_data": True}}, {"name": "cold"}]
    response = client.post(infer, **binary({**v2(world, 1, 6), "outputs": named}))
    first, second = json.loads(response.content[: int(response.headers["inference-header-content-length"])])["outputs"]
    assert sorted(np.frombuffer(response.content[-first["parameters"]["binary_data_size"] :], np.int64)) == [1, 6]
    assert second["data"] == [False, False]


def test_bytes_that_belong_to_no_tensor_are_refused(client: httpx.Client, world: World, infer: str) -> None:
    document = v2(world, 1)
    document["inputs"][1] = {"name": "items", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}
    item = np.array([6], np.int64).tobytes()
    assert client.post(infer, **binary(document, item)).status_code == 200
    assert "expected 8 bytes" in refused(client.post(infer, **binary(document, item + b"\0")))
    assert "expected 8 bytes" in refused(client.post(infer, **binary(document, item[:-1])))
    assert "expected 0 bytes" in refused(client.post(infer, **binary(v2(world, 1), b"\0")))
    for size in (-8, "8", True, 8.0):
        document["inputs"][1]["parameters"]["binary_data_size"] = size
        assert "binary_data_size" in refused(client.post(infer, **binary(document, item)))


@pytest.mark.parametrize("field", ["id", "inputs", "x" * 500_000])
@pytest.mark.parametrize("place", ["{model}:predict", "{model}/infer"])
def test_a_duplicate_field_gets_a_short_error(client: httpx.Client, world: World, place: str, field: str) -> None:
    path = f"/v{1 if 'predict' in place else 2}/models/{place.format(model=world.name)}"
    whole = json.dumps(v1(world, 1) if "predict" in place else v2(world, 1))
    content = f'{{"{field}": 1, "{field}": 1, {whole[1:]}'
    assert "once" in refused(client.post(path, content=content, headers={"content-type": "application/json"}))


BINARY: dict[str, Any] = {
    "id": {"id": 5},
    "parameters": {"parameters": [1]},
    "no list": {"inputs": {"a": 1}},
    "no objects": {"inputs": [1]},
    "name": {"inputs": [{"name": ["member"], "shape": [1], "datatype": "INT64", "data": [1]}]},
    "shape": {"inputs": [{"name": "member", "shape": 1, "datatype": "INT64", "data": [1]}]},
    "sizes": {"inputs": [{"name": "member", "shape": ["1"], "datatype": "INT64", "data": [1]}]},
    "datatype": {"inputs": [{"name": "member", "shape": [1], "datatype": 5, "data": [1]}]},
    "data": {"inputs": [{"name": "member", "shape": [1], "datatype": "INT64", "data": 1}]},
    "binary size": {
        "inputs": [{"name": "member", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": "8"}}]
    },
    "outputs": {"outputs": [5]},
    "output's name": {"outputs": [{"name": [5]}]},
}


@pytest.mark.parametrize("name", BINARY)
def test_types_are_checked_in_binary_requests_too(client: httpx.Client, world: World, infer: str, name: str) -> None:
    text = json.dumps({**v2(world, 1, 6), **BINARY[name]}).encode()
    header = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    refused(client.post(infer, content=text, headers=header))


BAD_TENSORS: dict[str, dict[str, Any]] = {
    "unknown tensor": {"price": ("FP64", [1.0])},
    "another datatype": {"items": ("FP32", [1.0])},
    "no datatype of the protocol": {"items": ("TEXT", [1])},
    "half-precision": {"place": ("FP16", [1.0])},
    "text in integers": {"items": ("INT64", ["1"])},
    "fractions in integers": {"items": ("INT64", [1.5])},
    "bools in integers": {"items": ("INT64", [True])},
    "integers that are too large": {"items": ("INT64", [2**70])},
    "null": {"items": ("INT64", [None])},
    "objects": {"items": ("INT64", [{"a": 1}])},
    "too deep": {"items": ("INT64", [[[1]]])},
    "numbers in text": {"surface": ("BYTES", [1])},
    "nobody": {"member": ("INT64", [])},
    "two members": {"member": ("INT64", [1, 2])},
    "no items": {"items": ("INT64", [])},
    "an item twice": {"items": ("INT64", [1, 1])},
    "too many items": {"items": ("INT64", list(range(LIMITS.items + 1)))},
    "unknown surface": {"surface": ("BYTES", ["fax"])},
    "bad time": {"time": ("BYTES", ["now"])},
    "time as a number": {"time": ("INT64", [1])},
}


@pytest.mark.parametrize("name", BAD_TENSORS)
def test_bad_tensors_are_refused(client: httpx.Client, world: World, infer: str, name: str) -> None:
    refused(client.post(infer, json=v2(world, 1, 6, **BAD_TENSORS[name])))


@pytest.mark.parametrize("shape", [[3], [], [-1], [2, 1], [1, 1, 2], [10**30], "2", [None], [[2]], ["2"], [2.0]])
def test_shapes_that_do_not_fit_are_refused(client: httpx.Client, world: World, infer: str, shape: Any) -> None:
    document = v2(world, 1, 6)
    document["inputs"][1]["shape"] = shape
    refused(client.post(infer, json=document))


@pytest.mark.parametrize("data", [[[1], [6]], [1, [6]], [[1], 6], [[[1, 6]]], [[1, 6], []]])
@pytest.mark.parametrize("shape", [[2], [1, 2]])
def test_nested_lists_that_do_not_match_the_shape_are_refused(
    client: httpx.Client, world: World, infer: str, shape: Any, data: Any
) -> None:
    document = v2(world, 1, 6)
    document["inputs"][1].update(shape=shape, data=data)
    refused(client.post(infer, json=document))


def test_missing_and_duplicate_parts_of_a_v2_document_are_refused(
    client: httpx.Client, world: World, infer: str
) -> None:
    whole = v2(world, 1, 6)
    for name in ("name", "datatype", "shape", "data"):
        broken = v2(world, 1, 6)
        del broken["inputs"][0][name]
        assert "inputs.0" in refused(client.post(infer, json=broken))
    assert "'member'" in refused(client.post(infer, json={"inputs": whole["inputs"][1:]}))
    assert "twice" in refused(client.post(infer, json={"inputs": whole["inputs"] * 2}))
    assert "outputs" in refused(client.post(infer, json={**whole, "outputs": [{"name": "nothing"}]}))
    assert "twice" in refused(client.post(infer, json={**whole, "outputs": [{"name": "items"}] * 2}))
    refused(client.post(infer, json={}))
    refused(client.post(infer, json={"inputs": {}}))
