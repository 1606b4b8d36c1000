"""KServe's Standard mode: an InferenceService per version, and an HTTPRoute that splits the traffic (ADR 14).

A version is ready and has answered a request at its own address before the route knows it. The route alone says which
versions serve.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from serving.deployment.cluster_address import ClusterAddress, listener_address
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import DeploymentError
from serving.deployment.http_route import SUFFIX, http_route, refusal, service_name, shares_of
from serving.deployment.inference_service import MODEL_LABEL, inference_service, marked
from serving.deployment.kubernetes_objects import CallError, Document, Objects
from serving.deployment.live_settings import kept, with_version
from serving.deployment.readiness import unready, unrolled
from serving.deployment.settling import otherwise, settle
from serving.deployment.trial import Trial

_ROUTE_SECONDS = 60.0
"""How long a Gateway may take to accept a route."""


@dataclass(frozen=True)
class Kinds:
    """The objects that a model has in Standard mode; KServe's Deployments and the Gateway are only read."""

    services: Objects
    routes: Objects
    deployments: Objects
    gateways: Objects


class Standard:
    """The InferenceServices and the route of one model. Methods raise DeploymentError as ``knative.Knative`` does.

    Every change of the route is made to the route that the change was decided on: ChangedError where it is another.
    """

    def __init__(self, kinds: Kinds, deployment: Deployment, trial: Trial, digest_of: Callable[[str], str]) -> None:
        self._services, self._routes, self._kinds = kinds.services, kinds.routes, kinds
        self._deployment, self._trial, self._digest_of, self._name = deployment, trial, digest_of, deployment.name

    def up(self, version: str) -> ClusterAddress:
        """Serve a version with all traffic; its pods are up before the route changes, the others' end after."""
        route = self._routes.find(self._name)
        self._start(version, self._manifest(version, route), route)
        self._shift(route, {version: 100})
        return self.address()

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic, or change the canary's share."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        route = self._route()
        main, canary = self._versions(route)
        if canary not in (None, version):
            raise DeploymentError(
                f"{self._name}: expected no other canary; found version {canary}. Promote it or roll it back first."
            )
        if version == main:
            raise DeploymentError(f"version {version}: expected another than the one that is served; found it.")
        if canary is None:
            self._start(version, self._manifest(version, route), route)
        self._shift(route, {main: 100 - percent, version: percent})

    def candidate(self) -> str:
        """The canary's version."""
        return self._canary(self._route())

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""
        route = self._route()
        if self._versions(route) == (version, None):
            return
        canary = self._canary(route)
        if canary != version:
            raise DeploymentError(f"{self._name}: expected a canary of version {version}; found {canary}.")
        self._shift(route, {version: 100})

    def rollback(self, champion: str | None = None, previous: str | None = None) -> str:
        """Take the canary's share back; without one, serve ``previous`` with the pods' present settings."""
        route = self._route()
        main, canary = self._versions(route)
        if canary is not None:
            self._shift(route, {main: 100})
            return canary
        if previous is None or previous == main:
            raise DeploymentError(f"{self._name}: expected a canary or a previous version; found neither.")
        manifest = self._manifest(previous, route)
        current = self._services.find(service_name(self._deployment, main))
        if current is not None:
            kept = {**current["spec"]["predictor"], **with_version(current, previous, self._digest_of(previous))}
            manifest["spec"]["predictor"] = marked(kept)
        self._start(previous, manifest, route)
        self._shift(route, {previous: 100})
        return main

    def withdraw(self, version: str) -> None:
        """Delete the InferenceService of a version that is not in the route."""
        self._services.delete(service_name(self._deployment, version))

    def version(self) -> str | None:
        """The main version, which is not the canary; None where there is no route."""
        route = self._routes.find(self._name)
        return None if route is None else self._versions(route)[0]

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        return shares_of(self._deployment, self._route())

    def address(self) -> ClusterAddress:
        """Where the Gateway serves the model, over HTTP and gRPC: as the settings say, else by its listeners."""
        host = self._route()["spec"]["hostnames"][0]
        base = self._deployment.address or listener_address(self._gateway(), host)
        place = urlsplit(base)
        port = place.port or (443 if place.scheme == "https" else 80)
        return ClusterAddress(self._deployment.model, base, f"{place.hostname}:{port}")

    def state(self) -> Literal["up", "unhealthy", "down"]:
        """Whether a Gateway has the route and every version in it is ready."""
        route = self._routes.find(self._name)
        if route is None:
            return "down"
        if refusal(route, route["metadata"].get("generation", 0)) is not None:
            return "unhealthy"
        for version in shares_of(self._deployment, route):
            found = self._services.find(service_name(self._deployment, version))
            if found is None or unready(found) is not None:
                return "unhealthy"
        return "up"

    def down(self) -> bool:
        """Delete the route, then every InferenceService of the model; return whether there was anything."""
        found = self._routes.delete(self._name)
        return self._remove_all_but({}) or found

    def _versions(self, route: Document) -> tuple[str, str | None]:
        """Main version and canary. The main one is first in the route."""
        main, *others = shares_of(self._deployment, route)
        return main, (others[0] if others else None)

    def _canary(self, route: Document) -> str:
        main, canary = self._versions(route)
        if canary is None:
            raise DeploymentError(
                f"{self._name}: expected a canary; found version {main} with all traffic. Begin one: "
                "python -m serving canary"
            )
        return canary

    def _manifest(self, version: str, route: Document | None) -> Document:
        """The manifest of a version; a canary accepts the same requests as the version that it is compared with."""
        main = None if route is None else service_name(self._deployment, self._versions(route)[0])
        settings = kept(self._deployment, None if main is None else self._services.find(main))
        changed = replace(settings, version=version, digest=self._digest_of(version))
        return inference_service(changed, name=service_name(self._deployment, version))

    def _start(self, version: str, manifest: Document, route: Document | None) -> None:
        """Start a version's pods, or change them; return once they, and no others, are ready and have answered.

        A version that is not in the route gets no traffic yet. One that is has its settings back where that fails.
        """
        name = manifest["metadata"]["name"]
        found = self._services.find(name)
        stored = self._services.create(manifest) if found is None else self._services.patch(found, manifest)

        def reason(now: Document) -> str | None:
            return unready(now) or unrolled(self._kinds.deployments.read(name + SUFFIX), manifest)

        def back() -> None:
            if found is not None and route is not None and version in shares_of(self._deployment, route):
                self._services.patch(stored, {"spec": {"predictor": found["spec"]["predictor"]}})

        with otherwise(back):
            settle(self._services, stored, version, reason, self._deployment, self._trial)

    def _shift(self, before: Document | None, shares: Mapping[str, int]) -> None:
        """Change the route, wait until a Gateway has it, then end the versions that are not in it."""
        route = http_route(self._deployment, shares)
        stored = self._routes.create(route) if before is None else self._routes.patch(before, route)
        generation = stored["metadata"].get("generation", 1)

        def back() -> None:
            if before is None:
                self._routes.delete(self._name)
            else:
                self._routes.patch(stored, {"spec": before["spec"]})

        with otherwise(back):
            self._routes.wait(stored, _ROUTE_SECONDS, lambda found: refusal(found, generation))
        self._remove_all_but(shares)

    def _remove_all_but(self, kept: Mapping[str, int]) -> bool:
        """Delete the InferenceServices of other versions, also those that never came up."""
        names = {service_name(self._deployment, version) for version in kept}
        found = [one["metadata"]["name"] for one in self._services.list(f"{MODEL_LABEL}={self._name}")]
        removed = [self._services.delete(name) for name in found if name not in names]
        return any(removed)

    def _route(self) -> Document:
        found = self._routes.find(self._name)
        if found is None:
            raise DeploymentError(
                f"{self._name} in {self._deployment.namespace}: expected an HTTPRoute; found none. Begin: "
                "python -m serving up --target cluster"
            )
        return found

    def _gateway(self) -> Document | None:
        """The Gateway; None where it may not be read: it is in a namespace of its own."""
        try:
            return self._kinds.gateways.find(self._deployment.gateway.split("/")[1])
        except CallError:
            return None
