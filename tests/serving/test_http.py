import json
from typing import Any

import httpx
import numpy as np
import pytest

from serving.limits import Limits
from tests.serving.test_request import BAD
from tests.serving.world import World

LIMITS = Limits()


def v1(world: World, *items: int, member: int | None = None, **context: Any) -> dict[str, Any]:
    member = world.keys("member")[1] if member is None else member
    return {"instances": [{"member": member, "items": list(items), "context": {"surface": "push", **context}}]}


def v2(world: World, *items: int, **tensors: Any) -> dict[str, Any]:
    given = {
        "member": ("INT64", [world.keys("member")[1]]),
        "items": ("INT64", list(items)),
        "surface": ("BYTES", ["push"]),
        **tensors,
    }
    return {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}
            for name, (datatype, data) in given.items()
        ]
    }


def outputs(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def refused(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    (name,) = answer.json()
    assert name == "error"
    reason = answer.json()["error"]
    assert "Traceback" not in answer.text
    assert 5 < len(reason) < 400
    return reason


@pytest.fixture
def predict(world: World) -> str:
    return f"/v1/models/{world.name}:predict"


@pytest.fixture
def infer(world: World) -> str:
    return f"/v2/models/{world.name}/infer"


def test_v1_ranks_a_slate(client: httpx.Client, world: World, predict: str) -> None:
    items = world.keys("item")
    answer = client.post(predict, json=v1(world, items[0], 777, items[3], device="phone", position=2))
    assert answer.status_code == 200
    (prediction,) = answer.json()["predictions"]
    assert (prediction["member"], prediction["model_version"]) == (world.keys("member")[1], world.version)
    assert prediction["member_cold"] is False
    cold = {ranked["item"]: ranked["cold"] for ranked in prediction["slate"]}
    assert cold == {items[0]: False, 777: True, items[3]: False}
    clicks = [ranked["probabilities"]["click"] for ranked in prediction["slate"]]
    assert clicks == sorted(clicks, reverse=True)
    assert all(0 < p < 1 for ranked in prediction["slate"] for p in ranked["probabilities"].values())
    assert set(prediction["slate"][0]["probabilities"]) == {"click", "dwell"}


def test_every_part_of_a_request_counts(client: httpx.Client, world: World, predict: str) -> None:
    items, member = world.keys("item"), world.keys("member")[2]
    moment = "2026-01-20T09:00:00Z"
    variants = [
        v1(world, items[0], time=moment),
        v1(world, items[1], time=moment),
        v1(world, items[0], time=moment, member=member),
        v1(world, items[0], time=moment, surface="email"),
        v1(world, items[0], time="2026-01-20T10:00:00Z"),
        v1(world, items[0], time=moment, device="phone"),
        v1(world, items[0], time=moment, position=7),
    ]
    answers = [client.post(predict, json=variant).json()["predictions"][0]["slate"][0] for variant in variants]
    assert len({answer["probabilities"]["click"] for answer in answers}) == len(variants)
    same = v1(world, items[0], time="2026-01-20T11:00:00+02:00")
    assert client.post(predict, json=same).json()["predictions"][0]["slate"][0] == answers[0]


def test_unknown_members_are_ranked_cold(client: httpx.Client, world: World, predict: str) -> None:
    answer = client.post(predict, json=v1(world, world.keys("item")[0], member=-12345))
    (prediction,) = answer.json()["predictions"]
    assert prediction["member_cold"] is True
    assert [ranked["cold"] for ranked in prediction["slate"]] == [False]


def test_the_largest_slate_and_several_instances(client: httpx.Client, world: World, predict: str) -> None:
    wide = v1(world, *range(LIMITS.items))
    several = {"instances": wide["instances"] + v1(world, 1, 6)["instances"]}
    answer = client.post(
        predict, content=json.dumps(several), headers={"content-type": "application/json; charset=utf-8"}
    )
    slates = [prediction["slate"] for prediction in answer.json()["predictions"]]
    assert [len(slate) for slate in slates] == [LIMITS.items, 2]
    assert sorted(ranked["item"] for ranked in slates[0]) == list(range(LIMITS.items))


def test_v2_answers_as_v1_does(client: httpx.Client, world: World, predict: str, infer: str) -> None:
    items, moment = world.keys("item"), "2026-01-20T09:00:00Z"
    (expected,) = client.post(predict, json=v1(world, *items, time=moment, device="phone", position=3)).json()[
        "predictions"
    ]
    context = {"time": ("BYTES", [moment]), "device": ("BYTES", ["phone"]), "position": ("FP64", [3.0])}
    answer = client.post(infer, json=v2(world, *items, **context))
    found = outputs(answer)
    assert found["items"] == [ranked["item"] for ranked in expected["slate"]]
    for task in ("click", "dwell"):
        assert found[f"probability_{task}"] == [ranked["probabilities"][task] for ranked in expected["slate"]]
    assert found["cold"] == [False] * len(items)
    assert (found["member_cold"], found["model_version"]) == ([False], [world.version])
    assert len(answer.json()["id"]) > 8
    named = {**v2(world, *items), "id": "mine", "outputs": [{"name": "items"}]}
    assert client.post(infer, json=named).json()["id"] == "mine"
    assert list(outputs(client.post(infer, json=named))) == ["items"]
    nested = v2(world, *items)
    nested["inputs"][1].update(shape=[1, len(items)], data=[items])
    assert sorted(outputs(client.post(infer, json=nested))["items"]) == items


def test_v2_says_what_it_takes(client: httpx.Client, world: World) -> None:
    metadata = client.get(f"/v2/models/{world.name}").json()
    assert {tensor["name"] for tensor in metadata["inputs"]} == {
        "member",
        "items",
        "surface",
        "time",
        "position",
        "device",
        "explain",
    }
    assert {"name": "probability_click", "datatype": "FP64", "shape": [-1]} in metadata["outputs"]
    assert client.get(f"/v2/models/{world.name}/ready").json()["ready"] is True


@pytest.mark.parametrize(
    "name", [name for name in BAD if name not in ("too many instances", "too many items", "half a surrogate")]
)
def test_bad_documents_are_refused(client: httpx.Client, predict: str, name: str) -> None:
    try:
        content = json.dumps(BAD[name])
    except ValueError:
        pytest.fail("every document of the list can be written")
    if name == "a text that is too long":
        content = json.dumps(BAD[name]).replace("x" * 9, "x" * (LIMITS.text + 1))
    refused(client.post(predict, content=content, headers={"content-type": "application/json"}))


BYTES = {
    "nothing": b"",
    "no JSON": b"{",
    "two documents": b"{}{}",
    "no UTF-8": b'{"instances": "\xff\xfe"}',
    "half a surrogate": rb'{"instances": "\ud800"}',
    "UTF-16": '{"instances": []}'.encode("utf-16"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a long number": b'{"instances": ' + b"9" * 100_000 + b"}",
    "a number": b"7",
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/v2/models/{}/infer"])
def test_bytes_that_are_no_request_are_refused(client: httpx.Client, world: World, path: str, name: str) -> None:
    header = {"content-type": "application/json"}
    refused(client.post(path.format(world.name), content=BYTES[name], headers=header))


@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/v2/models/{}/infer"])
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/json", "ce-id": "1"},
    ],
)
def test_other_content_types_are_refused(client: httpx.Client, world: World, path: str, header: dict[str, str]) -> None:
    refused(client.post(path.format(world.name), content=json.dumps(v1(world, 1)), headers=header))


@pytest.mark.parametrize("length", ["2", "x", "999999", ""])
def test_broken_binary_requests_are_refused(client: httpx.Client, infer: str, length: str) -> None:
    header = {"content-type": "application/octet-stream", "inference-header-content-length": length}
    refused(client.post(infer, content=b"{}", headers=header))


def test_binary_tensors_are_answered_in_binary(client: httpx.Client, world: World, infer: str) -> None:
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
    answer = client.post(infer, content=text + items.tobytes(), headers=header)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers["inference-header-content-length"])
    first = json.loads(answer.content[:length])["outputs"][0]
    size = first["parameters"]["binary_data_size"]
    assert sorted(np.frombuffer(answer.content[length : length + size], np.int64)) == sorted(items)
    refused(client.post(infer, content=text + items.tobytes()[:-3], headers=header))


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
    "half-precision": {"position": ("FP16", [1.0])},
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


@pytest.mark.parametrize("shape", [[3], [], [-1], [2, 1], [1, 1, 2], [10**30], "2", [None], [[2]]])
def test_shapes_that_do_not_fit_are_refused(client: httpx.Client, world: World, infer: str, shape: Any) -> None:
    document = v2(world, 1, 6)
    document["inputs"][1]["shape"] = shape
    refused(client.post(infer, json=document))


def test_parts_of_a_v2_document_that_are_missing_or_doubled(client: httpx.Client, world: World, infer: str) -> None:
    whole = v2(world, 1, 6)
    for name in ("name", "datatype", "shape", "data"):
        broken = v2(world, 1, 6)
        del broken["inputs"][0][name]
        assert "inputs.0" in refused(client.post(infer, json=broken))
    assert "'member'" in refused(client.post(infer, json={"inputs": whole["inputs"][1:]}))
    assert "twice" in refused(client.post(infer, json={"inputs": whole["inputs"] * 2}))
    assert "outputs" in refused(client.post(infer, json={**whole, "outputs": [{"name": "nothing"}]}))
    refused(client.post(infer, json={}))
    refused(client.post(infer, json={"inputs": {}}))


def test_large_bodies_are_refused_whole_or_in_chunks(client: httpx.Client, predict: str) -> None:
    header = {"content-type": "application/json"}
    body = b'{"instances": "' + b"x" * LIMITS.body_bytes + b'"}'
    assert str(LIMITS.body_bytes) in refused(client.post(predict, content=body, headers=header), 413)
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    assert str(LIMITS.body_bytes) in refused(client.post(predict, content=chunks, headers=header), 413)
    assert client.get("/").status_code == 200


def test_what_is_not_offered_is_said(client: httpx.Client, world: World) -> None:
    document = v1(world, 1)
    refused(client.post("/v1/models/nobody:predict", json=document), 404)
    refused(client.post("/v2/models/nobody/infer", json=v2(world, 1)), 404)
    refused(client.post(f"/v1/models/{world.name}:explain", json=document), 404)
    refused(client.post(f"/v2/models/{world.name}/versions/1/infer", json=v2(world, 1)), 404)
    refused(client.post(f"/v2/repository/models/{world.name}/unload"), 404)
    refused(client.get("/nothing"), 404)
    refused(client.delete(f"/v1/models/{world.name}:predict"), 405)
    assert client.post(f"/v1/models/{world.name}:predict", json=document).status_code == 200
