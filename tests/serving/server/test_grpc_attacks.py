"""Attacks over gRPC: no client can block or break the calls of others."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from serving.settings.limits import Limits
from tests.serving.running import RunningServer, running_server, wait_until
from tests.serving.server.test_grpc import request
from tests.serving.world import World

TOKEN = "a-token-of-some-length"
BEARER = (("authorization", f"Bearer {TOKEN}"),)
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
SERVICE = "/inference.GRPCInferenceService/"
INFER = f"{SERVICE}ModelInfer"
METHODS = [INFER, *(SERVICE + name for name in ("ModelMetadata", "ServerMetadata", "RepositoryModelLoad", "Nothing"))]
LONG = "x" * 100_000
SECONDS = 1.0
"""Of a body."""


@pytest.fixture(scope="module")
def guarded(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a token and room for few bodies."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(TOKEN, encoding="utf-8")
    with running_server(world, folder, Limits(bodies=20, body_seconds=SECONDS), str(folder / "token")) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        yield server


@pytest.fixture
def channel(guarded: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(guarded.grpc, options=OPTIONS) as channel:
        yield channel


@pytest.fixture
def good(guarded: RunningServer, world: World) -> Iterator[Any]:
    """Make a valid call over a new connection; returns its duration."""
    with grpc.insecure_channel(guarded.grpc, options=OPTIONS) as channel:
        stub = GRPCInferenceServiceStub(channel)

        def call() -> float:
            began = time.monotonic()
            assert stub.ModelInfer(request(world, 1, 6), timeout=20, metadata=BEARER).model_version == world.version
            return time.monotonic() - began

        call()
        yield call


def unfinished(channel: grpc.Channel, method: str = INFER, metadata: Any = BEARER) -> Any:
    """A call that has begun and whose message never arrives."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait()
        yield from ()

    call = channel.stream_unary(method).future(nothing(), metadata=metadata, timeout=60)
    call.add_done_callback(lambda _: ended.set())
    return call


def test_messages_that_never_arrive_block_no_other(channel: grpc.Channel, good: Any) -> None:
    calls = [unfinished(channel) for _ in range(100)]
    assert max(good() for _ in range(5)) < 1
    ends = {call.code() for call in calls}  # waits for them
    assert ends == {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert max(good() for _ in range(5)) < 1


def test_a_message_that_never_arrives_is_given_up_in_time(channel: grpc.Channel) -> None:
    began = time.monotonic()
    call = unfinished(channel)
    assert (call.code(), f"{SECONDS:g} s" in call.details()) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)
    assert time.monotonic() - began < SECONDS + 2


@pytest.mark.parametrize("method", METHODS)
def test_without_the_token_no_message_is_awaited(channel: grpc.Channel, method: str) -> None:
    for metadata in ((), (("authorization", "Bearer no"),), (*BEARER, *BEARER)):
        call = unfinished(channel, method, metadata)
        assert call.code() is grpc.StatusCode.UNAUTHENTICATED


def test_probes_are_open_and_repeat_no_input(guarded: RunningServer, channel: grpc.Channel, world: World) -> None:
    stub = GRPCInferenceServiceStub(channel)
    assert stub.ModelReady(protocol.ModelReadyRequest(name=world.name), timeout=20).ready
    for name, code in ((LONG, grpc.StatusCode.INVALID_ARGUMENT), (LONG[:4000], grpc.StatusCode.NOT_FOUND)):
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelReady(protocol.ModelReadyRequest(name=name), timeout=20)
        assert error.value.code() is code
        assert len(error.value.details()) < 200
    stuck = [unfinished(channel, f"{SERVICE}ServerReady", ()) for _ in range(40)]
    assert stub.ServerReady(protocol.ServerReadyRequest(), timeout=20).ready
    assert all(call.code() is not grpc.StatusCode.OK for call in stuck)


@pytest.mark.parametrize("field", ["model_name", "model_version", "id", "tensor", "datatype", "surface", "output"])
def test_errors_do_not_repeat_the_whole_input(channel: grpc.Channel, world: World, field: str) -> None:
    message = request(world, 1, 6)
    if field in ("model_name", "model_version", "id"):
        setattr(message, field, LONG)
    elif field == "output":
        message.outputs.add(name=LONG)
    elif field == "surface":
        message.inputs[2].contents.bytes_contents[0] = LONG.encode()
    else:
        setattr(message.inputs[1], "name" if field == "tensor" else field, LONG)
    call = GRPCInferenceServiceStub(channel).ModelInfer.future(message, timeout=20, metadata=BEARER)
    assert len(call.details() or "") < 400
    if field == "id":
        assert 0 < len(call.result().id) <= 128
    else:
        assert call.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)


def test_values_of_another_datatype_and_duplicate_metadata_are_refused(channel: grpc.Channel, world: World) -> None:
    stub = GRPCInferenceServiceStub(channel)
    message = request(world, 1, 6)
    message.inputs[1].contents.fp64_contents.append(7.0)
    twice = request(world, 1, 6)
    del twice.inputs[1].contents.int64_contents[:]
    twice.inputs[1].contents.uint64_contents.extend([1, 6])
    late = (*BEARER, ("x-request-timeout-ms", "1000"), ("x-request-timeout-ms", "1"))
    for sent, metadata in ((message, BEARER), (twice, BEARER), (request(world, 1, 6), late)):
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelInfer(sent, timeout=20, metadata=metadata)
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    """One frame of HTTP/2 (RFC 9113, 4.1)."""
    return struct.pack(">I", len(content))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + content


def header(name: bytes, value: bytes) -> bytes:
    """A header as it is, without an index (RFC 7541, 6.2.2); shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


@pytest.mark.parametrize("path", [b"/\xff\xfe", b"\xff", b"/a\x00b", b"", INFER.encode() + b"\x80"])
def test_an_invalid_path_ends_only_its_own_call(guarded: RunningServer, good: Any, path: bytes) -> None:
    pairs = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"a", b"te": b"trailers"}
    pairs |= {b"content-type": b"application/grpc", b"authorization": BEARER[0][1].encode()}
    headers = b"".join(header(name, value) for name, value in pairs.items())
    with socket.create_connection(("127.0.0.1", guarded.settings.grpc_port), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, headers))
        found = b""
        while b"grpc-status" not in found and (part := connection.recv(65_536)):
            found += part
    assert good() < 1
    assert guarded.process.poll() is None
