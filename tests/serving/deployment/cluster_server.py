"""A Kubernetes API with one custom resource on loopback: it records what the real client sends, and acts as KServe's
controller does (merges patches, marks a new generation ready, splits the traffic by percent)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_NOT_KNATIVES = {"terminationGracePeriodSeconds", "securityContext", "hostNetwork", "hostPID", "hostIPC", "hostname"}
"""Some of the pod fields that Knative's webhook refuses (knative serving, pkg/apis/serving/fieldmask.go)."""
KIND = "/apis/serving.kserve.io/v1beta1/namespaces/heliograph/inferenceservices"


class RecordingCluster(ThreadingHTTPServer):
    """``requests``: (method, path, body) in order; ``service``: the resource; ``refuse``: status of all writes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, Any]] = []
        self.service: dict[str, Any] | None = None
        self.refuse: int | None = None
        self.never_ready = False

    def written(self) -> list[tuple[str, str, Any]]:
        """The write requests."""
        return [request for request in self.requests if request[0] != "GET"]

    def kubeconfig(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}],
            "users": [{"name": "here", "user": {}}],
        }

    def settle(self) -> None:
        """Act as the controller does after a change."""
        service = self.service
        assert service is not None
        generation = service["metadata"].get("generation", 0) + 1
        service["metadata"]["generation"] = generation
        percent = service["spec"]["predictor"].get("canaryTrafficPercent", 100)
        traffic = [{"revisionName": f"revision-{generation}", "percent": percent}]
        if percent < 100:
            traffic.append({"revisionName": f"revision-{generation - 1}", "percent": 100 - percent})
        service["status"] = {
            "observedGeneration": generation,
            "conditions": [{"type": "Ready", "status": "False" if self.never_ready else "True"}],
            "components": {"predictor": {"traffic": traffic}},
        }


class _Handler(BaseHTTPRequestHandler):
    server: RecordingCluster

    def do_GET(self) -> None:
        self._record(None)
        found = self.server.service is not None
        self._answer(200 if found else 404, self.server.service or {"reason": "NotFound"})

    def do_POST(self) -> None:
        self._write(lambda body: body, 201)

    def do_PATCH(self) -> None:
        self._write(lambda body: _merged(self.server.service, body), 200)

    def _write(self, make: Any, status: int) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._record(body)
        refused = _NOT_KNATIVES & body["spec"]["predictor"].keys()
        if refused:
            self._answer(400, {"reason": "BadRequest", "message": f"must not set the field(s): {sorted(refused)}"})
            return
        if self.server.refuse:
            self._answer(self.server.refuse, {"reason": "refused", "message": "a secret of the cluster"})
            return
        self.server.service = make(body)
        self.server.settle()
        self._answer(status, self.server.service)

    def _record(self, body: Any) -> None:
        self.server.requests.append((self.command, self.path, body))

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Do not print."""


def _merged(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


@contextmanager
def recording_cluster() -> Iterator[RecordingCluster]:
    server = RecordingCluster()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
