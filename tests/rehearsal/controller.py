"""KServe's controller with real pods: a container of our image for every revision of an InferenceService."""

import json
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.rehearsal.engine import Engine
from tests.rehearsal.gateway import Backend, Gateway, backends_of
from tests.rehearsal.predictor import PredictorError, predictor
from tests.rehearsal.services import free_ports
from tests.standins.api_server import ApiServer, Object
from tests.standins.deployments import deploy_pods, end_pods

MODE = "serving.kserve.io/deploymentMode"
_KNATIVE = ("Knative", "Serverless")
_TICK, _STARTS, _DRAIN = 0.25, 3, 2.0
"""Seconds between two looks; how often a container is started; seconds between its last request and its end."""


@dataclass
class Revision:
    """The containers of one version of a service's template."""

    name: str
    spec: Mapping[str, Any]
    ports: tuple[int, int]
    pod: str
    """Name of its container, which no other has: one that ends keeps its name for a while."""
    process: Any = None
    """Of ``podman run``; None where no container runs."""
    started: float = 0.0
    starts: int = 0
    ready_after: float | None = None
    """Seconds from its start until it was ready first."""
    ready: bool = False
    error: str = ""
    unwanted_since: float | None = None


@dataclass
class Service:
    """One InferenceService."""

    namespace: str
    name: str
    generation: int
    knative: bool
    percent: int
    gateway: Gateway
    revisions: list[Revision] = field(default_factory=list)
    rolled_out: Revision | None = None
    previous: Revision | None = None
    shares: list[tuple[Revision, int]] = field(default_factory=list)
    deployed: tuple[str, bool] | None = None
    """Standard mode: the revision in its Deployment, and whether all pods are of it."""


class Controller:
    """Reconciles in a thread of its own until it is closed. ``secrets``: by name."""

    def __init__(
        self, server: ApiServer, engine: Engine, folder: Path, secrets: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._server, self._engine, self._folder, self._secrets = server, engine, folder, secrets
        self.services: dict[str, Service] = {}
        self.routes: dict[str, tuple[Object, Gateway]] = {}
        self.every: list[Revision] = []
        """Every revision that there ever was."""
        self._changes: queue.Queue[tuple[str, Object, bool]] = queue.Queue()
        self._statuses: dict[tuple[str, str], Any] = {}
        self._closed = threading.Event()
        server.on_change = lambda *change: self._changes.put(change)
        self._thread = threading.Thread(target=self._reconcile, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every container and gateway."""
        self._closed.set()
        self._thread.join()
        for service in self.services.values():
            service.gateway.close()
        for _, gateway in self.routes.values():
            gateway.close()
        for revision in self.every:
            self._end(revision)

    def log(self, revision: Revision) -> Path:
        """Where a revision's output is."""
        return self._folder / f"{revision.pod}.log"

    def _reconcile(self) -> None:
        while not self._closed.wait(_TICK):
            while not self._changes.empty():
                self._take(*self._changes.get())
            for service in list(self.services.values()):
                self._look(service)
            self._route()

    def _take(self, plural: str, changed: Object, deleted: bool) -> None:
        name = changed["metadata"]["name"]
        if deleted:
            self._statuses.pop((plural, name), None)
        if plural == "httproutes":
            if deleted:
                self.routes.pop(name)[1].close()
            else:
                known = self.routes.get(name)
                self.routes[name] = (changed, known[1] if known else Gateway())
        elif plural == "inferenceservices" and deleted:
            gone = self.services.pop(name)
            gone.gateway.close()
            for revision in gone.revisions:
                self._end_later(revision)
            end_pods(self._server, gone.namespace, name)
        elif plural == "inferenceservices":
            self._update(name, changed)

    def _update(self, name: str, changed: Object) -> None:
        meta, spec = changed["metadata"], changed["spec"]["predictor"]
        knative = meta.get("annotations", {}).get(MODE, "Knative") in _KNATIVE
        service = self.services.get(name) or Service(meta["namespace"], name, 0, knative, 100, Gateway())
        self.services[name] = service
        service.generation, service.knative = meta["generation"], knative
        service.percent = int(spec.get("canaryTrafficPercent", 100)) if knative else 100
        if not service.revisions or service.revisions[-1].spec["containers"] != spec["containers"]:
            first, second = free_ports(2)
            number, pod = len(service.revisions) + 1, f"heliograph-{name}-{len(self.every) + 1}"
            made = Revision(f"{name}-predictor-{number:05d}", spec, (first, second), pod)
            service.revisions.append(made)
            self.every.append(made)

    def _look(self, service: Service) -> None:
        """Bring one service's containers, shares and status to what it asks for."""
        newest = service.revisions[-1]
        before = service.previous if service.rolled_out is newest else service.rolled_out
        if before is None or service.percent == 100:
            wanted = [(newest, 100)]
        else:
            wanted = [(newest, service.percent), (before, 100 - service.percent)]
        needed = [one for one, percent in wanted if percent]
        for revision in service.revisions:
            if revision in needed:
                revision.unwanted_since = None
                self._keep(revision)
            elif revision.process is not None and all(one.ready for one, percent in wanted if percent):
                self._drain(revision)
        if all(one.ready for one, percent in wanted if percent):
            service.shares = [(one, percent) for one, percent in wanted if percent]
            if service.shares == [(newest, 100)] and service.rolled_out is not newest:
                service.previous, service.rolled_out = service.rolled_out, newest
        service.gateway.share([_backend(one, percent, service.knative) for one, percent in service.shares if one.ready])
        if not service.knative:
            self._deploy(service, newest)
        self._set("inferenceservices", service.namespace, service.name, _status(service))

    def _deploy(self, service: Service, newest: Revision) -> None:
        """Show a service's pods as a Deployment."""
        shown = (newest.name, service.shares == [(newest, 100)])
        if service.deployed != shown:
            service.deployed = shown
            meta = {"name": service.name, "namespace": service.namespace}
            deploy_pods(self._server, {"metadata": meta, "spec": {"predictor": newest.spec}}, shown[1])

    def _keep(self, revision: Revision) -> None:
        """Start a revision's container where none runs; ask whether it is ready."""
        if revision.process is not None and revision.process.poll() is not None:
            revision.error = f"container exited with {revision.process.returncode}"
            revision.process, revision.ready = None, False
        if revision.process is None and revision.starts < _STARTS:
            revision.starts, revision.started = revision.starts + 1, time.monotonic()
            folder = Path(tempfile.mkdtemp(prefix=f"{revision.name}-", dir=self._folder))
            folder.chmod(0o755)
            try:
                container = predictor(revision.pod, revision.spec, folder, self._secrets, revision.ports)
                revision.process = self._engine.start(container, self.log(revision))
            except (PredictorError, KeyError) as error:
                revision.error, revision.starts = f"{type(error).__name__}: {error}", _STARTS
        if revision.process is not None:
            (container_spec,) = revision.spec["containers"]
            revision.ready = _answers(revision.ports[0], container_spec["readinessProbe"]["httpGet"]["path"])
            if revision.ready and revision.ready_after is None:
                revision.ready_after, revision.error = time.monotonic() - revision.started, ""

    def _drain(self, revision: Revision) -> None:
        now = time.monotonic()
        revision.unwanted_since = revision.unwanted_since or now
        if now - revision.unwanted_since > _DRAIN:
            revision.ready, revision.starts, revision.unwanted_since = False, 0, None
            self._end_later(revision)

    def _end_later(self, revision: Revision) -> None:
        revision.process = None
        threading.Thread(target=self._engine.remove, args=(revision.pod,), daemon=True).start()

    def _end(self, revision: Revision) -> None:
        self._engine.remove(revision.pod)
        revision.process = None

    def _route(self) -> None:
        known = {}
        for name, service in self.services.items():
            for revision, _ in service.shares:
                if revision.ready:
                    known[f"{name}-predictor"] = _backend(revision, 1, service.knative)
        for name, (route, gateway) in self.routes.items():
            facts = {"status": "True", "observedGeneration": route["metadata"]["generation"], "reason": "Accepted"}
            try:
                gateway.share(backends_of(route, known))
            except ValueError as error:
                facts |= {"status": "False", "reason": "Invalid", "message": str(error)}
            conditions = [{"type": kind, **facts} for kind in ("Accepted", "ResolvedRefs")]
            self._set("httproutes", route["metadata"]["namespace"], name, {"parents": [{"conditions": conditions}]})

    def _set(self, plural: str, namespace: str, name: str, status: Object) -> None:
        if self._statuses.get((plural, name)) != status:
            self._statuses[plural, name] = json.loads(json.dumps(status))
            self._server.set_status(plural, namespace, name, status)


def _backend(revision: Revision, weight: int, knative: bool) -> Backend:
    """Knative routes one port of a container."""
    return Backend(revision.name, revision.ports[0], None if knative else revision.ports[1], weight)


def _status(service: Service) -> Object:
    newest = service.revisions[-1]
    serves = bool(service.shares) and (newest.ready or service.percent == 0)
    why = {} if serves else {"reason": "RevisionFailed" if newest.error else "Deploying", "message": newest.error}
    ready = [one.name for one in service.revisions if one.ready]
    parts: dict[str, Any] = {}
    if service.knative:
        traffic = [{"revisionName": one.name, "percent": percent} for one, percent in service.shares]
        parts = {"latestCreatedRevision": newest.name, "traffic": traffic}
        parts |= {"latestReadyRevision": ready[-1]} if ready else {}
        parts |= {"latestRolledoutRevision": service.rolled_out.name} if service.rolled_out else {}
    address = service.gateway.address
    return {
        "observedGeneration": service.generation,
        "url": address,
        "address": {"url": address},
        "conditions": [
            {"type": kind, "status": "True" if serves else "False", **why} for kind in ("PredictorReady", "Ready")
        ],
        "components": {"predictor": parts},
    }


def _answers(port: int, path: str) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def controller(
    server: ApiServer, engine: Engine, folder: Path, secrets: Mapping[str, Mapping[str, str]]
) -> Iterator[Controller]:
    """A running controller on an API server."""
    running = Controller(server, engine, folder, secrets)
    try:
        yield running
    finally:
        running.close()
