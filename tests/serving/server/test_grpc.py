"""The gRPC protocol of a real server: results as over REST, raw tensors, refused messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.deployment.endpoint import Endpoint
from serving.settings.limits import Limits
from tests.serving.running import broken_store, logged_lines, wait_until
from tests.serving.world import World

FIELDS = {"INT64": "int64_contents", "BYTES": "bytes_contents", "FP64": "fp64_contents", "FP32": "fp32_contents"}


@pytest.fixture(scope="module")
def channel(server: Endpoint) -> Iterator[grpc.Channel]:
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.grpc, options=options) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> GRPCInferenceServiceStub:
    return GRPCInferenceServiceStub(channel)


def request(world: World, *items: int, **tensors: Any) -> protocol.ModelInferRequest:
    given = {
        "member": ("INT64", [world.keys("member")[1]]),
        "items": ("INT64", list(items)),
        "surface": ("BYTES", [b"push"]),
        "time": ("BYTES", [b"2026-01-20T09:00:00Z"]),
        **tensors,
    }
    message = protocol.ModelInferRequest(model_name=world.name)
    for name, (datatype, data) in given.items():
        tensor = message.inputs.add(name=name, datatype=datatype, shape=[len(data)])
        getattr(tensor.contents, FIELDS.get(datatype, "int64_contents")).extend(data)
    return message


def refused(stub: GRPCInferenceServiceStub, message: protocol.ModelInferRequest, code: Any) -> str:
    with pytest.raises(grpc.RpcError) as error:
        stub.ModelInfer(message, timeout=20)
    assert error.value.code() is code, error.value.details()
    assert "Traceback" not in error.value.details()
    return error.value.details()


def test_grpc_returns_what_rest_returns(stub: GRPCInferenceServiceStub, client: Any, world: World) -> None:
    items = world.keys("item")
    response = stub.ModelInfer(request(world, *items, place=("FP32", [3.0])), timeout=20)
    context = {"surface": "push", "time": "2026-01-20T09:00:00Z", "place": 3}
    document = {"instances": [{"member": world.keys("member")[1], "items": items, "context": context}]}
    slate = client.post(f"/v1/models/{world.name}:predict", json=document).json()["predictions"][0]["slate"]
    found = {output.name: output.contents for output in response.outputs}
    assert list(found["items"].int64_contents) == [ranked["item"] for ranked in slate]
    assert list(found["probability_click"].fp64_contents) == [ranked["probabilities"]["click"] for ranked in slate]
    assert list(found["score"].fp64_contents) == [ranked["score"] for ranked in slate]
    assert list(found["adjustments"].bytes_contents) == [b"[]"] * len(items)
    assert list(found["cold"].bool_contents) == [False] * len(items)
    assert list(found["model_version"].bytes_contents) == [world.version.encode()]
    assert response.model_version == world.version


def test_integer_keys_as_text_come_back_as_text(stub: GRPCInferenceServiceStub, world: World) -> None:
    keys = [b"9223372036854775807", b"-9223372036854775808", b"9007199254740993"]
    response = stub.ModelInfer(request(world, items=("BYTES", keys)), timeout=20)
    (found,) = (output for output in response.outputs if output.name == "items")
    assert (found.datatype, sorted(found.contents.bytes_contents)) == ("BYTES", sorted(keys))
    response = stub.ModelInfer(request(world, *map(int, keys)), timeout=20)
    (found,) = (output for output in response.outputs if output.name == "items")
    assert (found.datatype, sorted(found.contents.int64_contents)) == ("INT64", sorted(map(int, keys)))
    reason = refused(stub, request(world, 1, member=("BYTES", [b"007"])), grpc.StatusCode.INVALID_ARGUMENT)
    assert "member: expected a whole number of 64 bits" in reason


def test_raw_tensors_get_raw_tensors(stub: GRPCInferenceServiceStub, world: World) -> None:
    items = np.array(world.keys("item"), np.int64)
    message = protocol.ModelInferRequest(model_name=world.name, id="mine")
    push = len(b"push").to_bytes(4, "little") + b"push"
    for name, datatype, size in (("member", "INT64", 1), ("items", "INT64", len(items)), ("surface", "BYTES", 1)):
        message.inputs.add(name=name, datatype=datatype, shape=[size])
    message.raw_input_contents.extend([np.array([3], np.int64).tobytes(), items.tobytes(), push])
    response = stub.ModelInfer(message, timeout=20)
    assert response.id == "mine"
    raw = dict(zip([output.name for output in response.outputs], response.raw_output_contents, strict=True))
    assert sorted(np.frombuffer(raw["items"], np.int64)) == sorted(items)
    assert (np.diff(np.frombuffer(raw["probability_click"])) <= 0).all()
    message.raw_input_contents[1] = items.tobytes()[:-3]
    assert "items" in refused(stub, message, grpc.StatusCode.INVALID_ARGUMENT)
    message.raw_input_contents[1], message.raw_input_contents[2] = items.tobytes(), b"\xff\xff\xff\xffpush"
    assert "surface" in refused(stub, message, grpc.StatusCode.INVALID_ARGUMENT)
    del message.raw_input_contents[2]
    refused(stub, message, grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(("metadata", "body"), [("of-metadata", ""), ("", "of-body"), ("of-both", "of-the-other")])
def test_the_metadatas_request_id_is_logged_and_the_messages_is_returned(
    stub: GRPCInferenceServiceStub, world: World, server_folder: Path, metadata: str, body: str
) -> None:
    """If one is missing the other is used. The log has the header's, as over HTTP; the response the message's."""
    message = request(world, 1)
    message.id = body
    response = stub.ModelInfer(message, timeout=20, metadata=(("x-request-id", metadata),) if metadata else ())
    assert response.id == (body or metadata)
    assert wait_until(
        lambda: (metadata or body) in {line["request"] for line in logged_lines(server_folder / "served")}
    )


BAD: dict[str, dict[str, Any]] = {
    "unknown tensor": {"price": ("FP64", [1.0])},
    "another datatype": {"items": ("FP64", [1.0])},
    "no datatype of the protocol": {"items": ("TEXT", [1])},
    "no items": {"items": ("INT64", [])},
    "an item twice": {"items": ("INT64", [1, 1])},
    "too many items": {"items": ("INT64", list(range(Limits().items + 1)))},
    "very many items": {"items": ("INT64", list(range(200_000)))},
    "two members": {"member": ("INT64", [1, 2])},
    "unknown surface": {"surface": ("BYTES", [b"fax"])},
    "no UTF-8": {"surface": ("BYTES", [b"\xff\xfe"])},
    "a long text": {"device": ("BYTES", [b"x" * 2_000_000])},
    "bad time": {"time": ("BYTES", [b"now"])},
    "NaN": {"place": ("FP64", [float("nan")])},
    "infinity": {"place": ("FP32", [float("inf")])},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tensors_are_invalid_arguments(stub: GRPCInferenceServiceStub, world: World, name: str) -> None:
    reason = refused(stub, request(world, 1, 6, **BAD[name]), grpc.StatusCode.INVALID_ARGUMENT)
    assert 5 < len(reason) < 400


def refused_bytes(channel: grpc.Channel, content: bytes) -> str:
    """As ``refused``, for arbitrary bytes."""
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(content, timeout=20)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return error.value.details()


def test_messages_above_the_limits_are_not_parsed_or_not_read(
    channel: grpc.Channel, stub: GRPCInferenceServiceStub, world: World
) -> None:
    limits = Limits()
    heavy = request(world, 1, 6, device=("BYTES", [b"x" * 2 * limits.body_bytes]))
    assert str(limits.body_bytes) in refused(stub, heavy, grpc.StatusCode.INVALID_ARGUMENT)
    assert str(limits.body_bytes) in refused_bytes(channel, b"\xff" * (limits.body_bytes + 1))
    assert "the protocol's" in refused_bytes(channel, b"\xff" * limits.body_bytes)
    heavier = request(world, 1, 6, device=("BYTES", [b"x" * limits.message_bytes]))
    refused(stub, heavier, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert stub.ModelInfer(request(world, 1), timeout=20).model_version == world.version


def test_a_wrong_shape_is_an_invalid_argument(stub: GRPCInferenceServiceStub, world: World) -> None:
    for shape in ([3], [-2], [2**62, 2**62], [1, 1, 2]):
        message = request(world, 1, 6)
        del message.inputs[1].shape[:]
        message.inputs[1].shape.extend(shape)
        assert "items" in refused(stub, message, grpc.StatusCode.INVALID_ARGUMENT)


def test_unknown_models_and_other_versions(stub: GRPCInferenceServiceStub, world: World) -> None:
    message = request(world, 1)
    message.model_name = "nobody"
    refused(stub, message, grpc.StatusCode.NOT_FOUND)
    message = request(world, 1)
    message.model_version = "99"
    assert "model_version" in refused(stub, message, grpc.StatusCode.INVALID_ARGUMENT)
    with pytest.raises(grpc.RpcError) as error:
        stub.RepositoryModelUnload(protocol.RepositoryModelUnloadRequest(model_name=world.name), timeout=20)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stub.ModelReady(protocol.ModelReadyRequest(name=world.name), timeout=20).ready


def test_metadata_names_the_tensors(stub: GRPCInferenceServiceStub, world: World) -> None:
    metadata = stub.ModelMetadata(protocol.ModelMetadataRequest(name=world.name), timeout=20)
    assert {tensor.name: tensor.datatype for tensor in metadata.inputs}["device"] == "BYTES"
    assert "probability_click" in {tensor.name for tensor in metadata.outputs}


def test_without_the_store_slates_are_ranked_by_popularity(stub: GRPCInferenceServiceStub, world: World) -> None:
    def fallback() -> list[bool]:
        response = stub.ModelInfer(request(world, 1, 6), timeout=20)
        return list(next(output for output in response.outputs if output.name == "fallback").contents.bool_contents)

    with broken_store(world):
        assert fallback() == [True]
    assert fallback() == [False]
