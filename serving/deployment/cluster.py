"""Cluster target: creates and changes a model's InferenceService through KServe's client.

KServe keeps the last rolled-out revision next to the newest one and splits the traffic between the two by
``canaryTrafficPercent``: https://kserve.github.io/website/docs/model-serving/predictive-inference/rollout-strategies
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from serving.deployment.errors import DeploymentError
from serving.deployment.inference_service import VERSION, Deployment, inference_service, share
from serving.settings.limits import LIMITS, Limits, parse_limits

if TYPE_CHECKING:
    from kserve import KServeClient

_NOT_FOUND = 404


class Cluster:
    """The InferenceService of one deployment. Every method raises DeploymentError where the cluster refuses a call."""

    def __init__(
        self,
        client: "KServeClient",
        deployment: Deployment,
        ready_seconds: float = 600.0,
        digest_of: Callable[[str], str] = lambda version: "",
    ) -> None:
        """``ready_seconds``: how long a new revision may take to become ready; 0 = do not wait.

        ``digest_of`` returns the digest of a version's bundle, which its pods then require; it may raise RegistryError.
        """
        self._client, self._deployment, self._seconds = client, deployment, ready_seconds
        self._digest_of = digest_of

    def apply(self) -> None:
        """Serve the deployment's version with all traffic; create the service where there is none."""
        if self._found() is None:
            digest = self._digest_of(self._deployment.version)
            service = inference_service(replace(self._deployment, digest=digest))
            self._call(lambda: self._client.create(service, namespace=self._deployment.namespace))
            self._await_ready(1)
        else:
            self._patch(self._deployment.version, 100)

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic; the last rolled-out one keeps the rest."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        found, held = self._newest()
        if 0 < held < 100 and found != version:
            raise DeploymentError(
                f"{self._deployment.name}: expected no other canary; found version {found} with {held} %. Promote it "
                "or roll it back first."
            )
        if (found, held) == (version, 100):
            raise DeploymentError(f"version {version}: expected another than the one that is served; found it.")
        if found == version and held:
            self._share(percent)
        else:
            self._patch(version, percent)

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""
        found, percent = self._newest()
        if (found, percent) == (version, 100):
            return
        if self.candidate() != version:
            raise DeploymentError(f"{self._deployment.name}: expected a canary of version {version}; found {found}.")
        self._share(100)

    def rollback(self) -> str:
        """Take all traffic from the canary, whose pods then end; return its version."""
        version = self.candidate()
        self._share(0)
        return version

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by revision, as KServe reports it."""
        status = self._service().get("status", {}).get("components", {}).get("predictor", {})
        return {entry["revisionName"]: entry.get("percent", 0) for entry in status.get("traffic", [])}

    def candidate(self) -> str:
        """The canary's version."""
        version, percent = self._newest()
        if not 0 < percent < 100:
            raise DeploymentError(
                f"{self._deployment.name}: expected a canary; found a version with {percent} % of the traffic. Begin "
                "one: python -m serving canary"
            )
        return version

    def _newest(self) -> tuple[str, int]:
        """The newest revision's version and its share."""
        service = self._service()
        return _environment(service)[VERSION], service["spec"]["predictor"].get("canaryTrafficPercent", 100)

    def _patch(self, version: str, percent: int) -> None:
        # A canary must accept the same requests as the version it is compared with.
        limits = self._deployment.limits or self._current_limits()
        changed = replace(self._deployment, version=version, digest=self._digest_of(version), limits=limits)
        self._change(inference_service(changed, percent))

    def _share(self, percent: int) -> None:
        """Change the newest revision's share; image, limits and everything else stay as they are."""
        self._change(share(self._deployment, percent))

    def _change(self, service: Any) -> None:
        name, namespace = self._deployment.name, self._deployment.namespace
        changed = self._call(lambda: self._client.patch(name, service, namespace=namespace))
        self._await_ready(changed["metadata"].get("generation"))

    def _current_limits(self) -> Limits:
        return parse_limits(_environment(self._service()).get(LIMITS, "{}"), f"{self._deployment.name}: {LIMITS}")

    def _await_ready(self, generation: int | None) -> None:
        if self._seconds:
            name, namespace = self._deployment.name, self._deployment.namespace
            self._call(
                lambda: self._client.wait_isvc_ready(
                    name,
                    namespace=namespace,
                    timeout_seconds=self._seconds,
                    polling_interval=min(2.0, self._seconds),
                    expected_generation=generation,
                )
            )

    def _service(self) -> dict[str, Any]:
        found = self._found()
        if found is None:
            raise DeploymentError(
                f"{self._deployment.name} in {self._deployment.namespace}: expected an InferenceService; found none. "
                "Apply it first: python -m serving manifest"
            )
        return found

    def _found(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._client.get(self._deployment.name, namespace=self._deployment.namespace)
        except RuntimeError as error:
            if getattr(error.__context__, "status", None) == _NOT_FOUND:
                return None
            raise _refused(error) from None
        return found

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RuntimeError as error:
            raise _refused(error) from None


def _environment(service: dict[str, Any]) -> dict[str, str]:
    """The container's environment variables that have a literal value."""
    try:
        found = service["spec"]["predictor"]["containers"][0]["env"]
        named = {entry["name"]: entry.get("value", "") for entry in found}
    except (KeyError, IndexError, TypeError):
        named = {}
    if VERSION not in named:
        name = service.get("metadata", {}).get("name")
        raise DeploymentError(
            f"{name}: expected an InferenceService of ours; found another. Serve in another namespace."
        )
    return named


def _refused(error: RuntimeError) -> DeploymentError:
    """Shorten an error of KServe's client to one line: its message contains the whole response, headers included."""
    cause = error.__context__
    status, reason = getattr(cause, "status", None), getattr(cause, "reason", None)
    if status is None:
        return DeploymentError(
            f"cluster: expected the service to become ready; found {' '.join(str(error).split())[:300]}"
        )
    return DeploymentError(f"cluster: expected it to take the change; found {status} {reason}")
