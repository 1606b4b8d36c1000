"""Tensors of the v2 protocol, without a server: requests to instances, slates to tensors."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse

from serving.errors import RequestError
from serving.ranking.slate import NOTHING_FOREIGN, Slate, SlateIds
from serving.ranking.staleness import Staleness
from serving.server.document import Body
from serving.server.tensors import TensorSchema, infer_request, infer_response
from tests.serving.world import world_spec

SCHEMA = TensorSchema(world_spec())
SLATE = Slate(
    ids=SlateIds("ours", "call", 2),
    member=1,
    surface="push",
    time=1,
    as_of=0,
    member_cold=False,
    model_version="7",
    fallback=False,
    items=[5, 3],
    cold=np.array([True, False]),
    capped=np.array([False, True]),
    scores=np.array([0.5, 0.25]),
    propensities=np.array([1.0, 0.5]),
    adjustments=[[], [{"rule": "frequency_cap"}]],
    probabilities={"click": np.array([0.5, 0.25]), "dwell": np.array([0.1, 0.2])},
    features={},
    foreign=NOTHING_FOREIGN,
)


def request(**changes: Any) -> InferRequest:
    """A request over REST; ``changes``: datatype, shape and data by name, or None for no such tensor."""
    given = {
        "member": ("INT64", [1], [1]),
        "items": ("INT64", [2], [5, 3]),
        "surface": ("BYTES", [1], ["push"]),
        **changes,
    }
    inputs = [
        {"name": name, "datatype": tensor[0], "shape": tensor[1], "data": tensor[2]}
        for name, tensor in given.items()
        if tensor is not None
    ]
    return infer_request(Body({"inputs": inputs}), "a")


def test_the_tensors_become_an_instance() -> None:
    given = request(place=("FP64", [1], [3.0]), explain=("BOOL", [1], [True]), items=("INT64", [1, 2], [[5, 3]]))
    assert SCHEMA.instance(given) == {
        "member": 1,
        "items": [5, 3],
        "explain": True,
        "context": {"surface": "push", "place": 3.0},
    }


def test_bytes_become_the_same_instance() -> None:
    surface = b"\x04\0\0\0push"
    content = np.array([1, 5, 3], np.int64).tobytes() + surface
    sizes = (("member", "INT64", 1, 8), ("items", "INT64", 2, 16), ("surface", "BYTES", 1, 8))
    inputs = [
        {"name": name, "datatype": datatype, "shape": [count], "parameters": {"binary_data_size": size}}
        for name, datatype, count, size in sizes
    ]
    found = SCHEMA.instance(infer_request(Body({"inputs": inputs}, content), "a"))
    assert found == SCHEMA.instance(request())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": ("FP64", [1], [1.0])}, "inputs: expected device, explain, items, .*; found 'price'"),
        ({"member": None}, "inputs: expected the tensor 'member'; found items, surface"),
        ({"member": ("FP64", [1], [1.0])}, "inputs.member: expected datatype INT64 or BYTES; found 'FP64'"),
        ({"items": ("INT64", [2], ["5", "3"])}, "inputs.items: expected values of INT64; found text. .* are BYTES"),
        ({"items": ("BYTES", [2], ["5", 3])}, "inputs.items: expected text in a tensor of BYTES; found 3"),
        ({"member": ("INT64", [2], [1, 2])}, "inputs.member: expected one value; found 2"),
        ({"member": ("INT64", [0], [])}, "inputs.member: expected one value; found 0"),
        ({"items": ("INT64", [2, 1], [5, 3])}, r"inputs.items: expected shape \[n\] or \[1, n\]; found \[2, 1\]"),
        ({"items": ("INT64", [1, 1, 2], [5, 3])}, "inputs.items: expected shape"),
        ({"items": ("INT64", [-2], [5, 3])}, "inputs.items: expected shape"),
        ({"items": ("INT64", [3], [5, 3])}, "inputs.items: expected 3 values, as its shape says; found 2"),
        ({"items": ("INT64", [2], [[5, 3]])}, "inputs.items: expected values in one list"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        SCHEMA.instance(request(**changes))


def test_a_tensor_twice_or_with_too_many_bytes_is_refused() -> None:
    twice = request()
    twice.inputs.append(InferInput("member", [1], "INT64", [1]))
    with pytest.raises(RequestError, match="expected it once; found it twice"):
        SCHEMA.instance(twice)
    heavy = request()
    heavy.inputs[1]._raw_data = bytes(1_600_008)
    with pytest.raises(RequestError, match="expected at most 1600000 bytes; found 1600008"):
        SCHEMA.instance(heavy)


def test_integer_keys_as_text_come_back_as_text() -> None:
    given = SCHEMA.instance(request(items=("BYTES", [2], ["9223372036854775807", "3"])))
    assert given["items"] == ["9223372036854775807", "3"]
    found = SCHEMA.response(request(), "a", replace(SLATE, items=[2**63 - 1, 3], text_keys=True))
    (items,) = (output for output in found.outputs if output.name == "items")
    assert (items.datatype, items.data) == ("BYTES", ["9223372036854775807", "3"])
    content, json_length = infer_response(
        SCHEMA.response(
            named(parameters={"binary_data_output": True}),
            "a",
            replace(SLATE, items=[2**63 - 1, 3], text_keys=True),
        )
    )
    assert json_length is not None
    assert b"9223372036854775807" in content[json_length:]


def named(*outputs: dict[str, Any], **document: Any) -> InferRequest:
    return infer_request(Body({"inputs": [], "outputs": list(outputs), **document}), "a")


def test_outputs_are_known_and_named_once() -> None:
    SCHEMA.check_outputs(named({"name": "items"}, {"name": "reasons"}))
    for outputs, reason in (([{"name": "x"}], "found 'x'"), ([{"name": "items"}] * 2, "expected items once")):
        with pytest.raises(RequestError, match=reason):
            SCHEMA.check_outputs(named(*outputs))


def columns(response: InferResponse) -> dict[str, Any]:
    return {output.name: output.data for output in response.outputs}


def test_a_slate_becomes_all_tensors() -> None:
    response = SCHEMA.response(request(), "a", SLATE)
    found = columns(response)
    assert (response.id, response.model_name, response.model_version) == ("ours", "a", "7")
    assert [output["name"] for output in SCHEMA.output_metadata()] == list(found)
    assert (found["items"], found["cold"], found["capped"]) == ([5, 3], [True, False], [False, True])
    assert (found["probability_dwell"], found["score"]) == ([0.1, 0.2], [0.5, 0.25])
    assert list(map(json.loads, found["adjustments"])) == SLATE.adjustments
    assert (found["impression"], found["propensity"]) == (["call/2/0", "call/2/1"], [1.0, 0.5])
    shapes = {output.name: output.shape for output in response.outputs}
    assert (shapes["member_cold"], shapes["stale"], found["stale"]) == ([1], [1], ["[]"])


def test_what_is_stale_is_one_text() -> None:
    stale = replace(SLATE, stale=Staleness(("member_vectors", "counters"), 0))
    response = SCHEMA.response(named({"name": "stale"}), "a", stale)
    assert columns(response) == {"stale": ['["member_vectors", "counters"]']}


def test_only_the_named_outputs_are_returned_under_the_requests_id() -> None:
    response = SCHEMA.response(named({"name": "score"}, {"name": "items"}, id="theirs"), "a", SLATE)
    assert (response.id, set(columns(response))) == ("theirs", {"score", "items"})
    assert SCHEMA.response(named(id="not an id"), "a", SLATE).id == "ours"


@pytest.mark.parametrize(("whole", "own", "binary"), [(True, None, True), (True, False, False), (False, True, True)])
def test_an_outputs_own_form_goes_before_the_requests(whole: bool, own: bool | None, binary: bool) -> None:
    parameters = {} if own is None else {"binary_data": own}
    given = named({"name": "items", "parameters": parameters}, parameters={"binary_data_output": whole})
    _, json_length = infer_response(SCHEMA.response(given, "a", SLATE))
    assert (json_length is not None) == binary


def test_metadata_has_the_preferred_datatypes() -> None:
    inputs = {tensor["name"]: tensor for tensor in SCHEMA.input_metadata()}
    assert inputs["place"] == {"name": "place", "datatype": "FP64", "shape": [1]}
    assert inputs["items"] == {"name": "items", "datatype": "INT64", "shape": [-1]}


def test_relative_probabilities_are_a_parameter_of_the_response() -> None:
    plain, flagged = (SCHEMA.response(request(), "a", slate) for slate in (SLATE, replace(SLATE, relative=("click",))))
    assert json.loads(infer_response(plain)[0])["parameters"] is None
    assert json.loads(infer_response(flagged)[0])["parameters"] == {"relative": '["click"]'}
    assert flagged.to_grpc().parameters["relative"].string_param == '["click"]'
