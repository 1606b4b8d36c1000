"""KServe's controller and its data plane, as far as deployments see them: revisions, readiness, shares, addresses.

It hangs on a `tests.standins.api_server.ApiServer`. Each InferenceService gets an address on loopback that answers v1
requests with the version that a pod of it would have. ``broken`` versions never become ready; ``faulty`` ones do, and
answer 500.

``status.observedGeneration`` is not that of the InferenceService. As in KServe (kserve/kserve issue 6081) it is the
counter of what the controller makes: the Deployment's in Standard mode, where an autoscaler changes it too, else the
Knative service's, which ``drift`` moves: KServe writes to it by itself, and not for every change of ours.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from tests.standins.api_kinds import Object, RefusedError
from tests.standins.api_server import ApiServer
from tests.standins.deployments import deploy_pods, end_pods

_NOT_KNATIVES = {"terminationGracePeriodSeconds", "securityContext", "hostNetwork", "hostPID", "hostIPC", "hostname"}
"""Some of the pod fields that Knative's webhook refuses (knative serving, pkg/apis/serving/fieldmask.go)."""


MODE = "serving.kserve.io/deploymentMode"


@dataclass
class Revision:
    """One set of containers."""

    name: str
    version: str
    containers: Any
    ready: bool


@dataclass
class Service:
    """What runs for one InferenceService; ``shares``: percent by revision."""

    address: "PredictorAddress"
    revisions: list[Revision] = field(default_factory=list)
    rolled_out: Revision | None = None
    written: list[Any] = field(default_factory=list)
    """What the Knative service was, by its own generations."""
    shares: list[tuple[Revision, int]] = field(default_factory=list)

    def versions(self) -> dict[str, int]:
        """Percent by version."""
        return {revision.version: percent for revision, percent in self.shares if percent}


class KServe:
    """The controller. ``services`` by name; ``token``: what callers must send.

    ``asleep``: it sees no change of an InferenceService. ``stuck``: no new pods start. ``scaled``: pods that an
    autoscaler has added.
    """

    def __init__(self, server: ApiServer) -> None:
        self.server, self.services = server, dict[str, Service]()
        self.broken, self.faulty = set[str](), set[str]()
        self.token = ""
        self.asleep = self.stuck = False
        self.drift = self.scaled = 0
        self.gateway_ready = True
        server.on_change, server.admit = self._changed, _admit

    def close(self) -> None:
        """Stop every address."""
        for service in self.services.values():
            service.address.close()

    def versions(self, name: str) -> dict[str, int]:
        """Percent of the traffic by version that a service, or a route over several, gives now."""
        namespace = self.server.list("inferenceservices")[0]["metadata"]["namespace"]
        route = self.server.get("httproutes", namespace, name)
        if route is None:
            return self.services[name].versions()
        backends = route["spec"]["rules"][-1]["backendRefs"]
        weights = {one["name"].removesuffix("-predictor"): one["weight"] for one in backends}
        return {next(iter(self.services[name].versions())): weight for name, weight in weights.items() if weight}

    def _changed(self, plural: str, changed: Object, deleted: bool) -> None:
        namespace, name = changed["metadata"]["namespace"], changed["metadata"]["name"]
        if plural == "httproutes" and not deleted:
            self._accept(namespace, name, changed["metadata"]["generation"])
        if plural != "inferenceservices":
            return
        if deleted:
            self.services.pop(name).address.close()
            end_pods(self.server, namespace, name)
            return
        if self.asleep:
            return
        if name not in self.services:
            self.services[name] = Service(PredictorAddress(self))
        service = self.services[name]
        service.address.service = service
        self._roll_out(name, service, changed["spec"]["predictor"])
        self.server.set_status("inferenceservices", namespace, name, self._status(service, changed))

    def _accept(self, namespace: str, name: str, generation: int) -> None:
        status = "True" if self.gateway_ready else "False"
        facts = {"status": status, "observedGeneration": generation, "message": "no such gateway"}
        conditions = [{"type": kind, **facts} for kind in ("Accepted", "ResolvedRefs")]
        self.server.set_status("httproutes", namespace, name, {"parents": [{"conditions": conditions}]})

    def _roll_out(self, name: str, service: Service, predictor: Object) -> None:
        containers = predictor["containers"]
        if service.written[-1:] != [predictor]:
            service.written.append(predictor)
        if not service.revisions or service.revisions[-1].containers != containers:
            environment = {entry["name"]: entry.get("value") for entry in containers[0]["env"]}
            version, number = environment["HELIOGRAPH_VERSION"], len(service.revisions) + 1
            made = Revision(
                f"{name}-predictor-{number:05d}", version, containers, not self.stuck and version not in self.broken
            )
            service.revisions.append(made)
        newest, percent = service.revisions[-1], predictor.get("canaryTrafficPercent", 100)
        if not newest.ready:
            return  # what served before goes on
        if percent == 100 or service.rolled_out in (None, newest):
            service.rolled_out, service.shares = newest, [(newest, 100)]
        else:
            assert service.rolled_out is not None
            service.shares = [(newest, percent), (service.rolled_out, 100 - percent)]

    def _status(self, service: Service, changed: Object) -> Object:
        newest = service.revisions[-1]
        failed = {"reason": "RevisionFailed", "message": f"{newest.name}: container exited with 1"}
        ready = [one.name for one in service.revisions if one.ready]
        traffic = [{"revisionName": one.name, "percent": percent} for one, percent in service.shares]
        predictor = {"latestCreatedRevision": newest.name, "traffic": traffic}
        knative = changed["metadata"].get("annotations", {}).get(MODE) == "Knative"
        if knative:
            observed, serves = len(service.written) + self.drift, newest.ready
        else:
            observed = deploy_pods(self.server, changed, newest.ready, self.scaled)
            serves = bool(service.shares)  # issue 4626: the pods from before a change count
        return {
            "observedGeneration": observed,
            "url": service.address.url,
            "address": {"url": service.address.url},
            "conditions": [
                {"type": kind, "status": "True" if serves else "False", **({} if serves else failed)}
                for kind in ("PredictorReady", "Ready")
            ],
            "components": {
                "predictor": {**predictor, **({"latestReadyRevision": ready[-1]} if ready else {})} if knative else {}
            },
        }


def _admit(plural: str, document: Object) -> None:
    """Refuse what the webhooks of Knative and KServe refuse, and what Standard mode would ignore."""
    if plural != "inferenceservices":
        return
    predictor, mode = document["spec"]["predictor"], document["metadata"].get("annotations", {}).get(MODE)
    refused = _NOT_KNATIVES & predictor.keys() if mode == "Knative" else {"canaryTrafficPercent"} & predictor.keys()
    if mode == "Knative" and len(predictor["containers"][0]["ports"]) != 1:
        refused = {"ports"}
    if mode != "Knative" and predictor.get("scaleMetric") not in (None, "cpu", "memory"):
        refused = {"scaleMetric"}
    if refused:
        raise RefusedError(400, "BadRequest", f"must not set the field(s): {sorted(refused)}")


class PredictorAddress(ThreadingHTTPServer):
    """Answers v1 requests in turn from each revision, by its share."""

    daemon_threads = True

    def __init__(self, kserve: KServe) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kserve, self.service = kserve, Service(self)
        self.url, self._turns = f"http://127.0.0.1:{self.server_port}", count()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def version(self) -> str | None:
        """The version that answers the next request; spread evenly, so that 10 % is every tenth."""
        turn = next(self._turns) * 37 % 100
        for revision, percent in self.service.shares:
            if turn < percent:
                return revision.version
            turn -= percent
        return None

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: PredictorAddress

    def do_POST(self) -> None:
        kserve, version = self.server.kserve, self.server.version()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if kserve.token and self.headers.get("authorization") != f"Bearer {kserve.token}":
            self._send(401, {"error": "expected a token"})
        elif version is None or version in kserve.faulty:
            self._send(503 if version is None else 500, {"error": "not now"})
        else:
            slate = [{"item": item, "score": 0.5} for item in body["instances"][0]["items"]]
            self._send(200, {"predictions": [{"model_version": version, "slate": slate}]})

    def _send(self, status: int, document: Object) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Do not print."""


@contextmanager
def kserve(server: ApiServer) -> Iterator[KServe]:
    """A controller on a running API server."""
    running = KServe(server)
    try:
        yield running
    finally:
        running.close()
