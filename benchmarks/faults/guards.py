"""Attacks on a worker and their effect on other callers: over HTTP, over gRPC, and through the proxy."""

import json
import socket
import stat
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.faults.attacks import LONG, call_path, exchange, post, unfinished
from benchmarks.faults.fault import Fault, expect
from benchmarks.faults.target import Target, worker
from serving.settings.listening import LOOPBACK, free_port

_TOKEN = "a-token-of-some-length"
_BEARER = (("authorization", f"Bearer {_TOKEN}"),)
_OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
_JSON, _BINARY = "application/json", "application/octet-stream"
_LENGTH = "inference-header-content-length"
_GOOD = 150
"""Number of valid calls during an attack."""


@contextmanager
def _stub(port: int) -> Iterator[Any]:
    import grpc  # type: ignore[import-untyped]
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    with grpc.insecure_channel(f"{LOOPBACK}:{port}", options=_OPTIONS) as channel:
        stub = GRPCInferenceServiceStub(channel)
        stub.channel = channel
        yield stub


@contextmanager
def _proxied(target: Target, folder: Path) -> Iterator[int]:
    """Start the proxy in front of the worker; return its port. Callers share its connection to the worker."""
    from serving.deployment.proxy import Proxy
    from serving.deployment.record import Worker

    port = free_port(LOOPBACK)
    workers = [Worker("1", "", target.port, target.grpc_port, 100)]
    proxy = Proxy(folder, folder)
    proxy.configure(LOOPBACK, port, workers)
    process = subprocess.Popen(proxy.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        proxy.await_shares(workers)
        yield port
    finally:
        process.kill()
        process.wait()


def no_caller_is_kept_out(folder: Path) -> str:
    """Long names next to valid calls on one connection; messages and bodies that never end; a path that is not text."""
    with worker(folder, _TOKEN) as target:
        with _proxied(target, folder) as port:
            failed = _beside_long_names(target, port)
        longest = _longest_response(target)
        slowest = _beside_unfinished(target)
        with _stub(target.grpc_port) as stub:
            for path in (b"/\xff\xfe", b"/a\x00", b""):
                call_path(target.grpc_port, path)
            stub.ModelInfer(target.message(), timeout=20, metadata=_BEARER)
    return f"{failed} of {_GOOD} calls failed, at most {longest} characters repeated, slowest {slowest:.2f} s"


def _beside_long_names(target: Target, port: int) -> int:
    """Send valid calls through the proxy during 25 probes per second for a model with a long name; return failures."""
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol

    done = threading.Event()

    def attack() -> None:
        with _stub(port) as stub:
            while not done.wait(0.04):
                stub.ModelReady.future(protocol.ModelReadyRequest(name=LONG), timeout=5).code()

    def send() -> bool:
        try:
            stub.ModelInfer(target.message(), timeout=5, metadata=_BEARER)
        except grpc.RpcError:
            return False
        return True

    with ThreadPoolExecutor(5) as callers, _stub(port) as stub:
        attacking = callers.submit(attack)
        well = Counter(callers.map(lambda _: send(), range(_GOOD)))
        done.set()
        attacking.result()
    expect(well[False] == 0, f"{_GOOD} valid calls to succeed next to long names", f"{well[False]} that failed")
    return well[False]


def _longest_response(target: Target) -> int:
    """Request unknown things by a long name, everywhere; return the length of the longest response."""
    import grpc

    whole, tensors = target.v1, target.v2()
    documents = [(target.predict, {**whole, LONG: 1}), (target.infer, {**tensors, LONG: 1})]
    documents += [(target.infer, {**tensors, "id": LONG}), (target.infer, {**tensors, "outputs": [{"name": LONG}]})]
    documents += [(f"/v1/models/{LONG[:30_000]}:predict", whole), (f"/v2/models/{LONG[:30_000]}/infer", tensors)]
    lengths = []
    with httpx.Client(base_url=f"http://{LOOPBACK}:{target.port}", headers=dict(_BEARER), trust_env=False) as client:
        responses = [client.post(path, json=document) for path, document in documents]
        responses.append(client.get(f"/v2/models/{LONG[:30_000]}/ready"))
        lengths = [len(each.text) for each in responses if each.status_code != 200 or LONG[:1000] in each.text]
    with _stub(target.grpc_port) as stub:
        for field in ("model_name", "model_version", "id"):
            call = stub.ModelInfer.future(target.message(**{field: LONG}), timeout=20, metadata=_BEARER)
            well = call.code() is grpc.StatusCode.OK
            lengths.append(len(call.result().id) if well else len(call.details()))
    expect(max(lengths) < 1000, "responses that repeat little of what was sent", f"{max(lengths)} characters")
    return max(lengths)


def _beside_unfinished(target: Target) -> float:
    """Send valid calls while hundreds never end, with the token and without; return the slowest."""
    document = json.dumps(target.v1).encode()
    head = post(target.predict, document, ("content-type", _JSON), *_BEARER)[: -len(document)]
    slowest = 0.0
    with ExitStack() as held, _stub(target.grpc_port) as good:
        channels = [held.enter_context(_stub(target.grpc_port)).channel for _ in range(4)]
        methods = ("ModelInfer", "ModelInfer", "ModelReady", "ModelMetadata")
        calls = [unfinished(channels[n % 4], methods[n % 4], _BEARER if n % 4 else ()) for n in range(400)]
        for _ in range(400):
            connection = held.enter_context(socket.create_connection((LOOPBACK, target.port), timeout=20))
            connection.sendall(head + document[:5])
        time.sleep(0.5)  # they have reached the server
        for _ in range(5):
            began = time.monotonic()
            good.ModelInfer(target.message(), timeout=5, metadata=_BEARER)
            status, _ = exchange(target.port, head + document)
            expect(status == 200, "200 beside unfinished bodies", status)
            slowest = max(slowest, time.monotonic() - began)
        for call in calls:
            call.cancel()
    expect(slowest < 2, "a response to each valid call within a second", f"{slowest:.1f} s for two")
    return slowest


def no_number_is_a_500(folder: Path) -> str:
    """Headers and fields that should be numbers, and are not."""
    with worker(folder) as target:
        v1, v2 = json.dumps(target.v1).encode(), json.dumps(target.v2()).encode()
        zeros, nines = "0" * 5000, "9" * 5000
        texts = ["", zeros, nines, "-1", f"+{len(v2)}", "1_0", "0x10", "1e2", "2.0", "1 0", "\u0663", str(len(v2) + 1)]
        requests = [
            *(post(target.infer, v2, ("content-type", _BINARY), (_LENGTH, text)) for text in texts),
            post(target.infer, v2, ("content-type", _BINARY), (_LENGTH, str(len(v2))), (_LENGTH, zeros)),
            *(post(target.predict, v1, ("content-type", _JSON), ("x-request-timeout-ms", text)) for text in texts[:-1]),
            *(post(target.predict, v1, ("content-type", _JSON), ("content-encoding", text)) for text in ("gzip", "br")),
        ]
        for value in (zeros, nines, f"-{nines}", "1e999", "NaN", "Infinity", "1_0", "+1", "0x1", "[" * 5000, "{" * 900):
            for path, text in ((target.predict, v1), (target.infer, v2)):
                requests.append(
                    post(path, text.replace(b"[", b"[" + value.encode() + b",", 1), ("content-type", _JSON))
                )
        for size in (nines, "-8", '"8"', "8.5", "true", "1e3"):
            body = v2.replace(b'"shape"', b'"parameters": {"binary_data_size": ' + size.encode() + b'}, "shape"', 1)
            requests.append(post(target.infer, body, ("content-type", _BINARY), (_LENGTH, str(len(body)))))
        sound = post(target.predict, v1, ("content-type", _JSON))
        length = f"content-length: {len(v1)}".encode()
        for wrong in ("", f"+{len(v1)}", "-1", "0x10", "1_0", "2.0", zeros, nines, f"{len(v1)}\r\ncontent-length: 1"):
            requests.append(sound.replace(length, f"content-length: {wrong}".encode(), 1))
        for number, sent in enumerate(requests):
            status, response = exchange(target.port, sent)
            expect(status == 400 and b"error" in response, f"400 with a reason of request {number}", response[:160])
    return f"{len(requests)} requests, each 400 with its reason"


def explaining_blocks_no_ranking(folder: Path) -> str:
    """Requests with reasons next to requests for slates: which are refused; and who may read the served log."""
    with worker(folder) as target:
        explain = {"instances": [{**target.v1["instances"][0], "explain": True}]}
        done = threading.Event()

        def send(document: Any, pause: float) -> Counter[int]:
            found: Counter[int] = Counter()
            with httpx.Client(base_url=f"http://{LOOPBACK}:{target.port}", timeout=20, trust_env=False) as client:
                while not done.wait(pause):
                    found[client.post(target.predict, json=document).status_code] += 1
            return found

        with ThreadPoolExecutor(24) as callers:
            explaining = [callers.submit(send, explain, 0.001) for _ in range(16)]
            ranking = [callers.submit(send, target.v1, 0.02) for _ in range(8)]
            time.sleep(6)  # measured
            done.set()
            ranked, reasoned = (sum((one.result() for one in them), Counter()) for them in (ranking, explaining))
        expect(set(ranked) == {200}, "every slate while others request reasons", dict(ranked))
        expect(reasoned[200] > 0, "reasons as well", dict(reasoned))
        files = [target.served, *target.served.iterdir()]
        modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
        expect(modes == {0o600, 0o700}, "a served log for its owner alone", [oct(mode) for mode in modes])
    return f"{ranked[200]} slates beside {reasoned[200]} with reasons; the served log is readable by its owner only"


def one_meaning_a_request(folder: Path) -> str:
    """Requests that two parsers would read differently."""
    with worker(folder) as target:
        requests = [*_documents(target), *_tensors(target)]
        for number, sent in enumerate(requests):
            status, response = exchange(target.port, sent)
            expect(status == 400, f"400 of request {number}, {sent[-90:]!r}", response[:160])
        refused = sum(_refused(target, change) for change in _MESSAGES)
    return f"{len(requests)} requests over HTTP and {refused} over gRPC, each refused"


def _documents(target: Target) -> Iterator[bytes]:
    """Duplicate fields at any level, and ambiguous text encodings."""
    for path, whole in ((target.predict, json.dumps(target.v1)), (target.infer, json.dumps(target.v2()))):
        name = '"member":' if path == target.predict else '"name":'
        twice = [whole.replace(name, f"{name} 1, {name}", 1), f"{whole[:-1]}, {whole[1:]}"]
        twice += [whole.replace("{", '{"a": 1, "\\u0061": 2, ', 1), whole[:-1] + ', "id": "a", "id": "a"}']
        yield from (post(path, text.encode(), ("content-type", _JSON)) for text in twice)
        odd = [b"\xef\xbb\xbf" + whole.encode(), whole.encode("utf-16"), whole.encode() + b"\0", whole.encode() * 2]
        odd += [whole.replace("{", '{"\\ud800": 1, ', 1).encode(), whole.encode().replace(b"{", b'{"\xff": 1, ', 1)]
        yield from (post(path, text, ("content-type", _JSON)) for text in odd)
    one = target.v1["instances"][0]
    again = {"instances": [{**one, "items": [one["items"][0], *one["items"]]}]}
    yield post(target.predict, json.dumps(again).encode(), ("content-type", _JSON))


def _tensors(target: Target) -> Iterator[bytes]:
    """Invalid shapes, duplicate tensors, bytes that belong to no tensor."""
    count = len(target.v2()["inputs"][1]["data"])
    for shape in ([str(count)], [float(count)], [True], [-1], [2**63], [], [count, 1], [[count]], str(count), None):
        document = target.v2()
        document["inputs"][1]["shape"] = shape
        yield post(target.infer, json.dumps(document).encode(), ("content-type", _JSON))
    one = {**target.v2()["inputs"][0], "parameters": {"binary_data_size": 8}}
    one.pop("data")
    changes: list[Callable[[dict[str, Any]], Any]] = [
        lambda document: document["inputs"].append(document["inputs"][0]),
        lambda document: document.update(outputs=[{"name": "items"}] * 2),
        lambda document: document.update(Inputs=document["inputs"]),
        lambda document: document["inputs"][1].update(datatype="int64"),
        lambda document: document.update(parameters={"binary_data_output": "false"}),
        lambda document: document["inputs"].__setitem__(0, one),
    ]
    for change in changes:
        document = target.v2()
        change(document)
        yield post(target.infer, json.dumps(document).encode(), ("content-type", _JSON))
    text = json.dumps({"inputs": [one, *target.v2()["inputs"][1:]]}).encode()
    for tail in (b"", bytes(7), bytes(9)):
        yield post(target.infer, text + tail, ("content-type", _BINARY), (_LENGTH, str(len(text))))


_MESSAGES: tuple[Callable[[Any], Any], ...] = (
    lambda message: message.inputs[1].contents.fp64_contents.append(1.0),
    lambda message: message.inputs.add().CopyFrom(message.inputs[0]),
    lambda message: message.raw_input_contents.append(bytes(8)),
    lambda message: message.raw_input_contents.extend([bytes(8)] * 3),
    lambda message: [message.outputs.add(name="items") for _ in range(2)],
    lambda message: message.inputs[1].shape.append(1),
)


def _refused(target: Target, change: Callable[[Any], Any]) -> bool:
    import grpc

    message = target.message()
    change(message)
    with _stub(target.grpc_port) as stub:
        call = stub.ModelInfer.future(message, timeout=20)
        expect(call.code() is grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", (call.code(), str(message)[-200:]))
    return True


FAULTS = (
    Fault(17, "no caller can lock others out, and long names are not echoed back", no_caller_is_kept_out),
    Fault(18, "a value that is not a number where one is required gets a 400 with the reason", no_number_is_a_500),
    Fault(20, "explanations do not block ranking, and the served log is private", explaining_blocks_no_ranking),
    Fault(21, "a request that can be read in two ways is refused", one_meaning_a_request),
)
