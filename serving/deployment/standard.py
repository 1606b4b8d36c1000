"""KServe's Standard mode: an InferenceService per version, and an HTTPRoute that splits the traffic (ADR 14).

A version is ready and has answered a request at its own address before the route knows it. The route alone says which
versions serve.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from serving.deployment.cluster_address import ClusterAddress, request_url
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import DeploymentError
from serving.deployment.http_route import http_route, refusal, service_name, shares_of
from serving.deployment.inference_service import MODEL_LABEL, inference_service
from serving.deployment.knative import look_at
from serving.deployment.kubernetes_objects import Document, Objects, since, unready
from serving.deployment.live_settings import limits_of, with_version
from serving.deployment.trial import Trial

_ROUTE_SECONDS = 60.0
"""How long a Gateway may take to accept a route."""


class Standard:
    """The InferenceServices and the route of one model. Methods raise DeploymentError as ``knative.Knative`` does."""

    def __init__(
        self,
        services: Objects,
        routes: Objects,
        deployment: Deployment,
        trial: Trial,
        digest_of: Callable[[str], str],
    ) -> None:
        self._services, self._routes, self._deployment = services, routes, deployment
        self._trial, self._digest_of, self._name = trial, digest_of, deployment.name

    def up(self, version: str) -> ClusterAddress:
        """Serve a version with all traffic; its pods are up before the route changes, the others' end after."""
        self._start(version, self._manifest(version))
        self._shift({version: 100})
        return self.address()

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic, or change the canary's share."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        main, canary = self._versions()
        if canary not in (None, version):
            raise DeploymentError(
                f"{self._name}: expected no other canary; found version {canary}. Promote it or roll it back first."
            )
        if version == main:
            raise DeploymentError(f"version {version}: expected another than the one that is served; found it.")
        if canary is None:
            self._start(version, self._manifest(version))
        self._shift({main: 100 - percent, version: percent})

    def candidate(self) -> str:
        """The canary's version."""
        main, canary = self._versions()
        if canary is None:
            raise DeploymentError(
                f"{self._name}: expected a canary; found version {main} with all traffic. Begin one: "
                "python -m serving canary"
            )
        return canary

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""
        main, _ = self._versions()
        if main == version and self._versions()[1] is None:
            return
        canary = self.candidate()
        if canary != version:
            raise DeploymentError(f"{self._name}: expected a canary of version {version}; found {canary}.")
        self._shift({version: 100})

    def rollback(self, champion: str | None = None, previous: str | None = None) -> str:
        """Take the canary's share back; without one, serve ``previous`` with the pods' present settings."""
        main, canary = self._versions()
        if canary is not None:
            self._shift({main: 100})
            return canary
        if previous is None or previous == main:
            raise DeploymentError(f"{self._name}: expected a canary or a previous version; found neither.")
        manifest = self._manifest(previous)
        current = self._services.find(service_name(self._deployment, main))
        if current is not None:
            kept = {**current["spec"]["predictor"], **with_version(current, previous, self._digest_of(previous))}
            manifest["spec"]["predictor"] = kept
        self._start(previous, manifest)
        self._shift({previous: 100})
        return main

    def version(self) -> str | None:
        """The main version, which is not the canary; None where there is no route."""
        return None if self._routes.find(self._name) is None else self._versions()[0]

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        return shares_of(self._deployment, self._route())

    def address(self) -> ClusterAddress:
        """Where the Gateway serves the model, over HTTP and gRPC."""
        host = self._route()["spec"]["hostnames"][0]
        return ClusterAddress(self._deployment.model, f"http://{host}", f"{host}:80")

    def state(self) -> Literal["up", "unhealthy", "down"]:
        """Whether a Gateway has the route and every version in it is ready."""
        route = self._routes.find(self._name)
        if route is None:
            return "down"
        if refusal(route, route["metadata"].get("generation", 0)) is not None:
            return "unhealthy"
        for version in shares_of(self._deployment, route):
            found = self._services.find(service_name(self._deployment, version))
            if found is None or unready(found, 0) is not None:
                return "unhealthy"
        return "up"

    def down(self) -> bool:
        """Delete the route, then every InferenceService of the model; return whether there was anything."""
        found = self._routes.delete(self._name)
        return self._remove_all_but({}) or found

    def _versions(self) -> tuple[str, str | None]:
        """Main version and canary. The main one is first in the route."""
        main, *others = shares_of(self._deployment, self._route())
        return main, (others[0] if others else None)

    def _manifest(self, version: str) -> Document:
        """The manifest of a version; a canary accepts the same requests as the version that it is compared with."""
        limits = self._deployment.limits
        route = None if limits is not None else self._routes.find(self._name)
        if route is not None:
            main = next(iter(shares_of(self._deployment, route)))
            found = self._services.find(service_name(self._deployment, main))
            limits = None if found is None else limits_of(found)
        changed = replace(self._deployment, version=version, digest=self._digest_of(version), limits=limits)
        return inference_service(changed, name=service_name(self._deployment, version))

    def _start(self, version: str, manifest: Document) -> None:
        """Start a version's pods; return once they are ready and have answered a request. They get no traffic yet."""
        name = manifest["metadata"]["name"]
        found = self._services.find(name)
        stored = self._services.create(manifest) if found is None else self._services.patch(name, manifest)
        try:
            ready = self._services.wait(name, self._deployment.ready_seconds, since(stored, unready))
            self._trial.run(request_url(ready), version)
        except DeploymentError as error:
            raise DeploymentError(f"{error} {look_at(self._deployment.namespace, name)}") from None

    def _shift(self, shares: Mapping[str, int]) -> None:
        """Change the route, wait until a Gateway has it, then end the versions that are not in it."""
        route, before = http_route(self._deployment, shares), self._routes.find(self._name)
        stored = self._routes.create(route) if before is None else self._routes.patch(self._name, route)
        generation = stored["metadata"].get("generation", 1)
        try:
            self._routes.wait(self._name, _ROUTE_SECONDS, lambda found: refusal(found, generation))
        except BaseException:
            if before is None:
                self._routes.delete(self._name)
            else:
                self._routes.patch(self._name, {"spec": before["spec"]})
            raise
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
