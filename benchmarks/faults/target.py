"""A worker of the small world for the checks of ``guards`` to attack, and valid requests to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.faults.professional import awaited, ready
from benchmarks.faults.professional import world as small_world
from benchmarks.server_process import server_process
from serving.settings.limits import Limits


class Target(NamedTuple):
    """A worker and requests to it."""

    name: str
    port: int
    grpc_port: int
    v1: dict[str, Any]
    """A valid document."""
    served: Path
    """Folder of the served log."""

    @property
    def predict(self) -> str:
        """Path of the v1 call."""
        return f"/v1/models/{self.name}:predict"

    @property
    def infer(self) -> str:
        """Path of the v2 call."""
        return f"/v2/models/{self.name}/infer"

    def v2(self) -> dict[str, Any]:
        """A valid tensor request."""
        one = self.v1["instances"][0]
        given = {"member": [one["member"]], "items": one["items"], "surface": [one["context"]["surface"]]}
        kinds = {"member": "INT64", "items": "INT64", "surface": "BYTES"}
        return {"inputs": [{"name": n, "datatype": kinds[n], "shape": [len(d)], "data": d} for n, d in given.items()]}

    def message(self, **changes: Any) -> Any:
        """A valid gRPC message, or one with changed fields."""
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as protocol

        message = protocol.ModelInferRequest(**{"model_name": self.name, **changes})
        for tensor in self.v2()["inputs"]:
            made = message.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
            if tensor["datatype"] == "BYTES":
                made.contents.bytes_contents.extend(text.encode() for text in tensor["data"])
            else:
                made.contents.int64_contents.extend(tensor["data"])
        return message


@contextmanager
def worker(folder: Path, token: str = "") -> Iterator[Target]:
    """Run a worker and yield it once it is ready; ``token``: the API token it requires."""
    world = small_world()
    surface = world.spec.impressions.surfaces[0]
    document = {"instances": [{"member": world.members[0], "items": world.items[:20], "context": {"surface": surface}}]}
    if token:
        (folder / "token").write_text(token, encoding="utf-8")
    with server_process(world, folder, Limits(), str(folder / "token") if token else "") as process:
        with httpx.Client(base_url=f"http://{process.address}", trust_env=False) as client:
            awaited(lambda: process.process.poll() is not None or ready(client), f"a worker; see {process.log}", 300)
        settings = process.settings
        yield Target(world.name, settings.port, settings.grpc_port, document, Path(settings.served))
