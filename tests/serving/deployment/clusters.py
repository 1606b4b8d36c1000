"""A small cluster for tests of deployments: an API server with KServe's controller, and targets on it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from kserve import KServeClient

from serving.deployment import kubernetes_objects
from serving.deployment.cluster import INFERENCE_SERVICES, standard_kinds
from serving.deployment.cluster_settings import STANDARD, Deployment
from serving.deployment.knative import Knative
from serving.deployment.kubernetes_objects import Objects
from serving.deployment.standard import Standard
from serving.deployment.trial import Trial
from tests.standins.api_server import ApiServer, api_server
from tests.standins.kserve import KServe, kserve

MODEL = "tiny_world-ranker"
NAME, NAMESPACE = "tiny-world-ranker", "heliograph"
DOCUMENT = {"instances": [{"member": 1, "items": [1, 2], "context": {"surface": "push"}}]}
KIND = "/apis/serving.kserve.io/v1beta1/namespaces/heliograph/inferenceservices"
SERVICE = f"{KIND}/{NAME}"


def digest_of(version: str) -> str:
    """The digest of a version's bundle."""
    return sha256(version.encode()).hexdigest()


@dataclass(frozen=True)
class EarlyTrial(Trial):
    """Gives up soon on the versions that answer 500 for ever: by then each has been sent requests."""

    faulty: Collection[str] = ()

    def run(self, url: str, version: str) -> None:
        seconds = 0.5 if version in self.faulty else self.seconds
        Trial(self.model, self.document, self.token, seconds).run(url, version)


@dataclass(frozen=True)
class Cluster:
    """The servers, and targets of them that give up early."""

    server: ApiServer
    kserve: KServe
    client: Any

    def knative(self, **settings: Any) -> Knative:
        deployment = replace(Deployment(MODEL, ""), ready_seconds=0.3, **settings)
        return Knative(self.services(deployment.name), deployment, self.trial(), digest_of)

    def standard(self, **settings: Any) -> Standard:
        given = {"mode": STANDARD, "hostname": "rank.example.com", "ready_seconds": 0.3, **settings}
        deployment = replace(Deployment(MODEL, ""), **given)
        return Standard(standard_kinds(self.client, deployment), deployment, self.trial(), digest_of)

    def services(self, model: str = "") -> Objects:
        return Objects(self.client, INFERENCE_SERVICES, NAMESPACE, model)

    def trial(self) -> Trial:
        return EarlyTrial(MODEL, lambda version: DOCUMENT, self.kserve.token or None, 4.0, self.kserve.faulty)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster whose certificate lies in ``folder``; its answers are looked for at once, not twice a second."""
    with pytest.MonkeyPatch.context() as patch, api_server(folder) as server, kserve(server) as controller:
        patch.setattr(kubernetes_objects, "_POLL_SECONDS", 0.02)
        yield Cluster(server, controller, KServeClient(config_dict=server.kubeconfig(), persist_config=False))


def variable(body: dict[str, Any], name: str) -> str:
    """A variable of the predictor's container."""
    (container,) = body["spec"]["predictor"]["containers"]
    found: str = next(entry["value"] for entry in container["env"] if entry["name"] == name)
    return found


def changes(server: ApiServer) -> list[tuple[str, str, str | None, int | None]]:
    """(method, path, version, percent) of every change; version None where only the share changes."""
    return [
        (
            method,
            path,
            variable(body, "HELIOGRAPH_VERSION") if "containers" in (body or {})["spec"]["predictor"] else None,
            body["spec"]["predictor"].get("canaryTrafficPercent"),
        )
        for method, path, body in server.written()
        if method in ("POST", "PATCH") and KIND in path
    ]
