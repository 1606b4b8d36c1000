"""Custom resources of one kind in one namespace: read, create, patch, delete, wait. Errors are DeploymentErrors.

Inside a pod the client uses the pod's ServiceAccount, elsewhere the current kubeconfig.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.deployment.errors import DeploymentError

if TYPE_CHECKING:
    from kserve import KServeClient

_NOT_FOUND, _INVALID = 404, (400, 422)
_CALL_SECONDS = 30.0
"""Deadline of one call."""
_POLL_SECONDS = 0.5
_DELETE_SECONDS = 60.0
"""How long a controller may take to let go of a deleted object."""
_SEEN_SECONDS = 20.0
"""How long ``observedGeneration`` decides. KServe copies it from an object that it makes (kserve/kserve issue 6081), so
that it can stay behind for good: then the conditions decide alone.
"""
Document = dict[str, Any]


class UnreadyError(DeploymentError):
    """Raised when a change was stored and did not take effect in time."""


def open_client() -> "KServeClient":
    """A client of the cluster that this pod, or the current kubeconfig, names. Raises DeploymentError."""
    from kserve import KServeClient
    from kubernetes.config import ConfigException  # type: ignore[import-untyped]

    try:
        return KServeClient()
    except (ConfigException, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DeploymentError(
            f"cluster: expected a kubeconfig that can be used; found {reason}. Set KUBECONFIG."
        ) from None


@dataclass(frozen=True)
class Objects:
    """The objects of one kind (group, version, plural) in a namespace."""

    client: "KServeClient"
    kind: tuple[str, str, str]
    namespace: str

    def find(self, name: str) -> Document | None:
        """An object, or None. One that is being deleted, which no change can keep, is waited for until it is gone."""
        end = time.monotonic() + _DELETE_SECONDS
        while (found := self._call("get", name, missing=True)) is not None:
            if "deletionTimestamp" not in found["metadata"]:
                return dict(found)
            if time.monotonic() >= end:
                raise DeploymentError(
                    f"{name}: expected it to be gone {_DELETE_SECONDS:g} s after its deletion; found its finalizers "
                    f"{found['metadata'].get('finalizers')}. Look at its controller's log."
                )
            time.sleep(_POLL_SECONDS)
        return None

    def list(self, label: str) -> list[Document]:
        """The objects with a label, ``name=value``."""
        found: list[Document] = self._call("list", label_selector=label)["items"]
        return found

    def create(self, document: Document) -> Document:
        """Create an object; return it as it is stored."""
        return self._call("create", document)

    def patch(self, name: str, change: Document) -> Document:
        """Change an object by a merge patch; return it as it is stored."""
        return self._call("patch", name, change)

    def delete(self, name: str) -> bool:
        """Delete an object; return whether there was one."""
        return self._call("delete", name, missing=True) is not None

    def wait(self, name: str, seconds: float, reason: Callable[[Document], str | None]) -> Document:
        """Wait until ``reason``, why an object is not as it should be, is None; return the object.

        Raises UnreadyError, with the last reason, after ``seconds``.
        """
        end = time.monotonic() + seconds
        while True:
            found = self.find(name)
            missing = "the object is gone" if found is None else reason(found)
            if found is not None and missing is None:
                return found
            if time.monotonic() >= end:
                raise UnreadyError(f"{name}: expected it to become ready within {seconds:g} s; found {missing}.")
            time.sleep(min(_POLL_SECONDS, max(end - time.monotonic(), 0.0)))

    def _call(self, verb: str, *arguments: Any, missing: bool = False, **named: Any) -> Any:
        from kubernetes.client import ApiException  # type: ignore[import-untyped]
        from urllib3.exceptions import HTTPError

        method = getattr(self.client.api_instance, f"{verb}_namespaced_custom_object")
        group, version, plural = self.kind
        try:
            return method(group, version, self.namespace, plural, *arguments, _request_timeout=_CALL_SECONDS, **named)
        except ApiException as error:
            if missing and error.status == _NOT_FOUND:
                return None
            raise DeploymentError(
                f"cluster: expected it to {verb} {plural}; found {error.status} {error.reason}{_message(error)}"
            ) from None
        except (HTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DeploymentError(f"cluster: expected a response; found {type(error).__name__}: {reason}") from None


def _message(error: Any) -> str:
    """What the API server says of a document that it refuses: that document is ours. Nothing of other refusals."""
    if error.status == 403:
        return ". Give the ServiceAccount its Role: deploy/kustomize"
    if error.status not in _INVALID:
        return ""
    try:
        return ": " + " ".join(str(json.loads(error.body)["message"]).split())[:300]
    except (ValueError, KeyError, TypeError):
        return ""


def since(
    changed: Document, reason: Callable[[Mapping[str, Any], int], str | None]
) -> Callable[[Document], str | None]:
    """``unseen`` or ``unready`` for the generation of an InferenceService that was just changed, for ``wait``."""
    begun, generation = time.monotonic(), changed["metadata"].get("generation", 1)
    return lambda found: reason(found, generation if time.monotonic() - begun < _SEEN_SECONDS else 0)


def created_revision(service: Mapping[str, Any]) -> str:
    """Knative's newest revision of an InferenceService; "" where there is none."""
    return str(service.get("status", {}).get("components", {}).get("predictor", {}).get("latestCreatedRevision") or "")


def unseen(service: Mapping[str, Any], generation: int) -> str | None:
    """Why the controller has not seen this generation (yet); None where it has."""
    if service.get("status", {}).get("observedGeneration", 0) >= generation:
        return None
    return "a controller that has not seen the change"


def unready(service: Mapping[str, Any], generation: int) -> str | None:
    """Why an InferenceService does not serve this generation of its spec (yet); None where it does.

    ``generation`` 0: any.
    """
    if (reason := unseen(service, generation)) is not None:
        return reason
    status = service.get("status", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    false = [one for one in conditions.values() if one.get("status") != "True" and one.get("severity") != "Info"]
    if conditions.get("Ready", {}).get("status") != "True":
        said = [" ".join(f"{one['type']} {one.get('reason', '')} {one.get('message', '')}".split()) for one in false]
        failure = status.get("modelStatus", {}).get("lastFailureInfo", {}).get("message", "")
        return "; ".join([*said, *([failure] if failure else [])])[:400] or "no condition Ready"
    predictor = status.get("components", {}).get("predictor", {})
    created, ready = predictor.get("latestCreatedRevision"), predictor.get("latestReadyRevision")
    return None if created == ready else f"the revision {created} not ready"
