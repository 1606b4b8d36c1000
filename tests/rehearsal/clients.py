"""Callers of an endpoint: one request over HTTP or gRPC, and one caller that does not stop until it is told to."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_SECONDS = 20.0
_PAUSE = 0.05


@dataclass(frozen=True)
class Caller:
    """Sends one instance to a model; ``address`` is http://host:port, ``token`` what it must send."""

    address: str
    model: str
    instance: Mapping[str, Any]
    token: str = ""

    def http(self) -> dict[str, Any]:
        """The slate that it answers over HTTP. Raises OSError, also for a refusal."""
        headers = {"content-type": "application/json", **self._metadata()}
        body = json.dumps({"instances": [self.instance]}).encode()
        request = Request(f"{self.address}/v1/models/{self.model}:predict", body, headers, method="POST")
        try:
            with urlopen(request, timeout=_SECONDS) as response:
                (slate,) = json.loads(response.read())["predictions"]
        except HTTPError as error:
            raise OSError(f"HTTP {error.code}: {error.read()[:300].decode(errors='replace')}") from None
        return dict(slate)

    def grpc(self) -> dict[str, Any]:
        """The first slate over gRPC: ``items`` and ``version``. Raises grpc.RpcError."""
        import grpc
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
        from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

        request = messages.ModelInferRequest(model_name=self.model)
        for name, values in self._tensors().items():
            tensor = request.inputs.add(name=name, shape=[len(values)])
            if isinstance(values[0], str):
                tensor.datatype = "BYTES"
                tensor.contents.bytes_contents.extend(value.encode() for value in values)
            elif isinstance(values[0], float):
                tensor.datatype = "FP64"
                tensor.contents.fp64_contents.extend(values)
            else:
                tensor.datatype = "INT64"
                tensor.contents.int64_contents.extend(values)
        with grpc.insecure_channel(self.address.removeprefix("http://")) as channel:
            metadata = tuple(self._metadata().items())
            response = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=_SECONDS, metadata=metadata)
        return {"version": response.model_version, "outputs": [one.name for one in response.outputs]}

    def _metadata(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def _tensors(self) -> dict[str, list[Any]]:
        context = {name: [value] for name, value in self.instance.get("context", {}).items() if value is not None}
        return {"member": [self.instance["member"]], "items": list(self.instance["items"]), **context}


@dataclass
class Load:
    """What a caller that does not stop has seen."""

    answers: Counter[str] = field(default_factory=Counter)
    """By version."""
    failures: list[str] = field(default_factory=list)
    cold: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def await_more(self, count: int, seconds: float = 60.0) -> Counter[str]:
        """Wait for so many further answers; how many each version gave of them."""
        before, deadline = Counter(self.answers), time.monotonic() + seconds
        while sum(self.answers.values()) - sum(before.values()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return Counter(self.answers) - before


@contextmanager
def load(caller: Caller) -> Iterator[Load]:
    """Send one request after the other until the context ends."""
    seen = Load()

    def send() -> None:
        while not seen.stopped.wait(_PAUSE):
            try:
                slate = caller.http()
            except OSError as error:
                seen.failures.append(str(error))
                continue
            seen.answers[str(slate["model_version"])] += 1
            seen.cold += bool(slate["member_cold"] or slate["fallback"])

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        seen.stopped.set()
        thread.join()
