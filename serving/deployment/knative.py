"""KServe's Knative mode: one InferenceService for all versions of a model.

KServe keeps the last rolled-out revision next to the newest one and splits the traffic between the two by
``canaryTrafficPercent``: https://kserve.github.io/website/docs/model-serving/predictive-inference/rollout-strategies
Knative routes one port of a container, HTTP's: gRPC is not reachable.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from serving.deployment.cluster_address import ClusterAddress, request_url
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import DeploymentError
from serving.deployment.inference_service import BESIDE, VERSION, environment, inference_service, share
from serving.deployment.kubernetes_objects import Document, Objects
from serving.deployment.live_settings import kept, with_version
from serving.deployment.readiness import created_revision, unready_revision, unshared
from serving.deployment.settling import otherwise, settle
from serving.deployment.trial import Trial

_FIRST_PERCENT = 5
"""Share of a new version until it has answered the example request and gets everything."""


@dataclass(frozen=True)
class Revisions:
    """What an InferenceService says of its versions: the newest one, its share, and the one that has the rest."""

    newest: str
    percent: int
    beside: str

    @property
    def main(self) -> str:
        """The version that is not the canary."""
        return self.newest if self.percent == 100 else self.beside


class Knative:
    """The InferenceService of one model. Every method raises DeploymentError where the cluster refuses a call.

    ``digest_of`` returns the digest of a version's bundle, which its pods then require; it may raise RegistryError.
    """

    def __init__(
        self, services: Objects, deployment: Deployment, trial: Trial, digest_of: Callable[[str], str]
    ) -> None:
        self._services, self._deployment, self._trial, self._digest_of = services, deployment, trial, digest_of
        self._name = deployment.name

    def up(self, version: str) -> ClusterAddress:
        """Serve a version with all traffic; create the service where there is none.

        Next to another version that serves, it gets a small share until it has answered the example request.
        """
        found = self._services.find(self._name)
        if found is None:
            created = self._services.create(self._manifest(version, 100))
            self._settle(created, version)
        elif (held := revisions(found)).newest == version and held.percent == 100:
            # The same version again. KServe takes a smaller share of a revision that has everything for a rollback.
            back = {"spec": {"predictor": found["spec"]["predictor"]}}
            self._change(found, self._manifest(version, 100, found), version, back)
        else:
            self._replace(version, self._manifest(version, _FIRST_PERCENT, found), found)
        return self.address()

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic; the last rolled-out one keeps the rest."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        found = self._required()
        held = revisions(found)
        if 0 < held.percent < 100 and held.newest != version:
            raise DeploymentError(
                f"{self._name}: expected no other canary; found version {held.newest} with {held.percent} %. Promote "
                "it or roll it back first."
            )
        if held.main == version:
            raise DeploymentError(f"version {version}: expected another than the one that is served; found it.")
        if held.newest == version and held.percent:
            self._change(found, share(percent), version, share(held.percent))
        else:
            self._change(found, self._manifest(version, percent, found), version, share(0))

    def candidate(self) -> str:
        """The canary's version."""
        return self._canary(revisions(self._required()))

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""
        found = self._required()
        held = revisions(found)
        if held.main == version:
            return
        if self._canary(held) != version:
            raise DeploymentError(f"{self._name}: expected a canary of version {version}; found {held.newest}.")
        self._change(found, share(100), version, share(held.percent))

    def rollback(self, champion: str | None = None, previous: str | None = None) -> str:
        """Take the canary's share back; without one, serve ``previous`` with the containers' present settings."""
        found = self._required()
        held = revisions(found)
        if 0 < held.percent < 100:
            changed = self._services.patch(found, share(0))
            # Its share is enough: a canary that does not run is never ready.
            self._services.wait(changed, self._deployment.ready_seconds, lambda now: unshared(now, 0))
            return held.newest
        if previous is None or previous == held.main:
            raise DeploymentError(f"{self._name}: expected a canary or a previous version; found neither.")
        digest = self._digest_of(previous)
        containers = with_version(found, previous, digest, beside=held.main)
        change = {"spec": {"predictor": {**containers, "canaryTrafficPercent": _FIRST_PERCENT}}}
        self._replace(previous, change, found)
        return held.main

    def withdraw(self, version: str) -> None:
        """Nothing: a version has its share as soon as it is started."""

    def version(self) -> str | None:
        """The main version, which is not the canary; None where there is no service."""
        found = self._services.find(self._name)
        return None if found is None else revisions(found).main

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        held = revisions(self._required())
        if held.percent in (0, 100):
            return {held.main: 100}
        return {held.main: 100 - held.percent, held.newest: held.percent}

    def address(self) -> ClusterAddress:
        """Where the model is served; there is no gRPC."""
        return ClusterAddress(self._deployment.model, request_url(self._required()))

    def state(self) -> Literal["up", "unhealthy", "down"]:
        """Whether it is ready."""
        found = self._services.find(self._name)
        if found is None:
            return "down"
        return "up" if unready_revision(found, "") is None else "unhealthy"

    def down(self) -> bool:
        """Delete the InferenceService; return whether there was one."""
        return self._services.delete(self._name)

    def _canary(self, held: Revisions) -> str:
        if not 0 < held.percent < 100:
            raise DeploymentError(
                f"{self._name}: expected a canary; found version {held.main} with all traffic. Begin one: "
                "python -m serving canary"
            )
        return held.newest

    def _manifest(self, version: str, percent: int, found: Document | None = None) -> Document:
        """The manifest of a version; a canary accepts the same requests as the version that it is compared with."""
        held = None if found is None else revisions(found)
        beside = "" if held is None else held.beside if held.main == version else held.main
        changed = replace(kept(self._deployment, found), version=version, digest=self._digest_of(version))
        return inference_service(changed, percent, beside=beside)

    def _replace(self, version: str, change: Document, found: Document) -> None:
        """Serve a version with all traffic next to one that serves: first with a small share."""
        tried = self._change(found, change, version, share(0))
        self._change(tried, share(100), version, share(0))

    def _change(self, found: Document, change: Document, version: str, back: Document) -> Document:
        """Patch the service as it was ``found``, await, try; return the changed service.

        Where that fails, ``back`` is patched: the share that the newest revision had, or all.
        """
        changed = self._services.patch(found, change)
        before = "" if _template(changed) == _template(found) else created_revision(found)
        with otherwise(lambda: self._services.patch(changed, back)):
            return self._settle(changed, version, before)

    def _settle(self, changed: Document, version: str, before: str = "") -> Document:
        """Wait until the changed service is ready: its newest revision, not ``before``, with its share.

        Then try the version; return the service.
        """
        percent = changed["spec"]["predictor"].get("canaryTrafficPercent", 100)

        def reason(found: Document) -> str | None:
            return unready_revision(found, before) or unshared(found, percent)

        return settle(self._services, changed, version, reason, self._deployment, self._trial)

    def _required(self) -> Document:
        found = self._services.find(self._name)
        if found is None:
            raise DeploymentError(
                f"{self._name} in {self._deployment.namespace}: expected an InferenceService; found none. Begin: "
                "python -m serving up --target cluster"
            )
        return found


def revisions(service: Document) -> Revisions:
    """Read the versions of an InferenceService. Raises DeploymentError for one that is not ours."""
    named = environment(service)
    percent = service["spec"]["predictor"].get("canaryTrafficPercent", 100)
    return Revisions(named[VERSION], percent, named.get(BESIDE, ""))


def _template(service: Document) -> Document:
    """What Knative makes a new revision of when it changes."""
    return {name: value for name, value in service["spec"]["predictor"].items() if name != "canaryTrafficPercent"}
