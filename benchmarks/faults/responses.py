"""Responses: the scores of a slate and the rules behind them, from a real worker of a small professional world."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.fault import Fault, expect
from benchmarks.faults.professional import Served, awaited, served_world

_ITEMS = 60
"""Fields of a slate's candidate."""
_MEMBERS = 25
"""Candidates per request: enough for every rule of the spec to apply."""


def an_order_is_explained(folder: Path) -> str:
    """Sorting by what a response shows gives the response's order: v1, v2 (JSON, binary) and gRPC."""
    served = served_world()
    world, client = served.world, served.client
    met: set[str] = set()
    items = world.items[-_ITEMS:]
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(world.as_of // 1_000_000 + 1))
    for member in world.members[:_MEMBERS]:
        instance = {"member": member, "items": items, "context": {"surface": "notification", "time": moment}}
        response = client.post(f"/v1/models/{world.name}:predict", json={"instances": [instance]})
        expect(response.status_code == 200, "200", response.text[:200])
        met |= _explained(items, response.json()["predictions"][0]["slate"], f"v1, member {member}")
    expect(met >= {"seen_discount", "diversity", "frequency_cap"}, "every rule of the spec at work", sorted(met))
    document = _tensors(items, moment, world.members[0])
    response = client.post(f"/v2/models/{world.name}/infer", json=document)
    columns = {output["name"]: output["data"] for output in response.json()["outputs"]}
    _explained(items, _candidates(columns), "v2")
    binary = client.post(
        f"/v2/models/{world.name}/infer", json={**document, "parameters": {"binary_data_output": True}}
    )
    length = int(binary.headers["inference-header-content-length"])
    found = _of_bytes(json.loads(binary.content[:length])["outputs"], binary.content[length:])
    _explained(items, _candidates(found), "v2 in binary")
    _explained(items, _candidates(_over_grpc(served, document)), "gRPC")
    expect(found["score"] == columns["score"], "the same scores in binary", found["score"][:3])
    lines = awaited(lambda: [line for line in _logged(served.log) if line["request"] == "mine"], "lines of the log")
    _explained(items, lines[:_ITEMS], "the served log")
    return f"{_MEMBERS} slates of {_ITEMS} in the order of what they show; rules met: {', '.join(sorted(met))}"


def _explained(items: list[int], slate: list[dict[str, Any]], where: str) -> set[str]:
    """Raise Broken unless score and adjustments explain the order; return the rules that applied."""
    for candidate in slate:
        for field in ("score", "adjustments"):
            expect(field in candidate, f"`{field}` of every candidate ({where})", sorted(candidate))
        factor = np.prod([entry.get("factor", 1.0) for entry in candidate["adjustments"]])
        wrong = abs(candidate["probabilities"]["click"] * factor - candidate["score"]) > 1e-12
        expect(not wrong, f"a score that is click times its factors ({where})", candidate)
    named = {each["item"]: {entry["rule"] for entry in each["adjustments"]} for each in slate}
    score = {each["item"]: each["score"] for each in slate}
    expected = sorted(items, key=lambda item: ("diversity" in named[item], -score[item]))
    order = [each["item"] for each in slate]
    expect(expected == order, f"the order of what is shown ({where})", list(score.items())[:5])
    return set().union(*named.values())


def _tensors(items: list[int], moment: str, member: int) -> dict[str, Any]:
    given: list[tuple[str, str, list[Any]]] = [
        ("member", "INT64", [member]),
        ("items", "INT64", items),
        ("surface", "BYTES", ["notification"]),
        ("time", "BYTES", [moment]),
    ]
    inputs = [{"name": n, "datatype": kind, "shape": [len(data)], "data": data} for n, kind, data in given]
    return {"id": "mine", "inputs": inputs}


def _candidates(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Convert output tensors to candidates of a v1 response."""
    expect({"score", "adjustments"} <= set(columns), "the tensors score and adjustments", sorted(columns))
    rows = zip(*(columns[name] for name in ("items", "score", "adjustments", "probability_click")), strict=True)
    return [
        {"item": item, "score": score, "adjustments": json.loads(text), "probabilities": {"click": chance}}
        for item, score, text, chance in rows
    ]


def _of_bytes(outputs: list[dict[str, Any]], content: bytes) -> dict[str, list[Any]]:
    """Read the output tensors of a binary response."""
    found, begin = {}, 0
    for output in outputs:
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = _values(output["datatype"], content[begin : begin + size])
        begin += size
    return found


def _values(datatype: str, raw: bytes) -> list[Any]:
    if datatype != "BYTES":
        return np.frombuffer(raw, {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}[datatype]).tolist()
    texts, begin = [], 0
    while begin < len(raw):
        size = int.from_bytes(raw[begin : begin + 4], "little")
        texts.append(raw[begin + 4 : begin + 4 + size].decode())
        begin += 4 + size
    return texts


def _over_grpc(served: Served, document: dict[str, Any]) -> dict[str, list[Any]]:
    import grpc  # type: ignore[import-untyped]
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    message = protocol.ModelInferRequest(model_name=served.world.name)
    for given in document["inputs"]:
        tensor = message.inputs.add(name=given["name"], datatype=given["datatype"], shape=given["shape"])
        if given["datatype"] == "INT64":
            tensor.contents.int64_contents.extend(given["data"])
        else:
            tensor.contents.bytes_contents.extend(text.encode() for text in given["data"])
    with grpc.insecure_channel(served.grpc) as channel:
        response = GRPCInferenceServiceStub(channel).ModelInfer(message, timeout=30)
    fields = {"INT64": "int64_contents", "FP64": "fp64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
    return {output.name: list(getattr(output.contents, fields[output.datatype])) for output in response.outputs}


def _logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_bytes().splitlines()]


FAULTS = (
    Fault(23, "a response's order is explained by the score and the adjustments that it shows", an_order_is_explained),
)
