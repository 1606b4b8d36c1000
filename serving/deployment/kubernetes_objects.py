"""Custom resources of one kind in one namespace: read, create, patch, delete, wait. Errors are DeploymentErrors.

Inside a pod the client uses the pod's ServiceAccount, elsewhere the current kubeconfig.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.deployment.errors import ChangedError, DeploymentError
from serving.deployment.inference_service import MODEL_LABEL

if TYPE_CHECKING:
    from kserve import KServeClient

_NOT_FOUND, _CONFLICT, _INVALID = 404, 409, (400, 422)
_CALL_SECONDS = 30.0
"""Deadline of one call, and of a change that is made again because a controller writes to the same object."""
_PATIENCE_SECONDS = 10.0
"""How long an API server that does not answer is asked again by a call that may be repeated, where nothing waits."""
_POLL_SECONDS = 0.5
_DELETE_SECONDS = 60.0
"""How long a controller may take to let go of a deleted object."""
Document = dict[str, Any]


class UnreadyError(DeploymentError):
    """Raised when a change was stored and did not take effect in time."""


class CallError(DeploymentError):
    """Raised when a call fails. ``status``: the API server's answer, 0 where there was none."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status in (0, _CONFLICT, 429) or self.status >= 500


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
    """The objects of one kind (group, version, plural) in a namespace.

    A change names the object as it was read when the change was decided on. Kubernetes refuses it where the object has
    been written since: it is made again if only others' fields were written, else it is a ChangedError.
    """

    client: "KServeClient"
    kind: tuple[str, str, str]
    namespace: str
    model: str = ""
    """The registered model whose objects these are: those of other ones are neither changed nor deleted. "": any."""

    def find(self, name: str) -> Document | None:
        """An object, or None. One that is being deleted, which no change can keep, is waited for until it is gone.

        Raises DeploymentError for an object of another model: two products' names may lead to one name here.
        """
        found = self.read(name, _PATIENCE_SECONDS)
        if found is not None and self.model:
            owner = found["metadata"].get("labels", {}).get(MODEL_LABEL, "")
            if owner != self.model:
                raise DeploymentError(
                    f"{name}: expected a service of {self.model}; found one of {owner or 'another maker'}. Serve in "
                    "another namespace, or give the product another name."
                )
        if not _ends(found):
            return found
        found, reason = self._poll(name, _DELETE_SECONDS, lambda now: "its finalizers" if _ends(now) else None)
        if reason is not None:
            held = found["metadata"].get("finalizers") if found else ""
            raise DeploymentError(
                f"{name}: expected it to be gone {_DELETE_SECONDS:g} s after its deletion; found {reason} {held}. Look "
                "at its controller's log."
            )
        return found

    def read(self, name: str, patience: float = 0.0) -> Document | None:
        """An object as it is now, or None. Raises CallError where the API server does not answer for ``patience`` s."""
        try:
            return dict(self._call("get", name, patience=patience))
        except CallError as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def list(self, label: str) -> list[Document]:
        """The objects with a label, ``name=value``."""
        found: list[Document] = self._call("list", label_selector=label, patience=_PATIENCE_SECONDS)["items"]
        return found

    def create(self, document: Document) -> Document:
        """Create an object; return it as it is stored. Raises ChangedError where another process has just done so."""
        try:
            created: Document = self._call("create", document)
        except CallError as error:
            if error.status != _CONFLICT:
                raise
            raise ChangedError(document["metadata"]["name"]) from None
        return created

    def patch(self, seen: Document, change: Document) -> Document:
        """Change an object, as it was ``seen``, by a merge patch; return it as it is stored. Raises ChangedError.

        A change that was stored and whose answer was lost is one that was made.
        """
        end, name, lost = time.monotonic() + _CALL_SECONDS, seen["metadata"]["name"], False
        while True:
            meta = {**change.get("metadata", {}), "resourceVersion": seen["metadata"]["resourceVersion"]}
            try:
                stored: Document = self._call("patch", name, {**change, "metadata": meta})
                return stored
            except CallError as error:
                if not (error.passing or error.status == _NOT_FOUND):
                    raise
                refused, late = error, time.monotonic() >= end
            lost = lost or refused.status == 0 or refused.status >= 500
            now = self.find(name)  # controllers write the status, which counts as well
            if now is None or not _same(now, seen):
                if now is not None and lost and _made(now, seen, change):
                    return now
                raise ChangedError(name) if refused.status in (_CONFLICT, _NOT_FOUND) else refused
            if late:
                raise refused
            if refused.status != _CONFLICT:
                time.sleep(_POLL_SECONDS)
            seen = now

    def delete(self, name: str) -> bool:
        """Delete an object; return whether there was one. Raises DeploymentError for one of another model."""
        if self.find(name) is None:
            return False
        try:
            self._call("delete", name, patience=_PATIENCE_SECONDS)
        except CallError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return True

    def wait(self, stored: Document, seconds: float, reason: Callable[[Document], str | None]) -> Document:
        """Wait until ``reason``, why an object is not as it should be, is None; return the object.

        Raises UnreadyError, with the last reason, after ``seconds``; ChangedError as soon as the object is gone or is
        not as it was ``stored``. An API server that does not answer meanwhile is asked again.
        """
        name = stored["metadata"]["name"]

        found, missing = self._poll(name, seconds, lambda now: reason(_unchanged(now, stored)))
        if found is None or missing is not None:
            raise UnreadyError(f"{name}: expected it to become ready within {seconds:g} s; found {missing}")
        return found

    def check(self, stored: Document) -> Document:
        """The object as it is now. Raises ChangedError unless it is as it was ``stored``, status aside."""
        return _unchanged(self.find(stored["metadata"]["name"]), stored)

    def _poll(
        self, name: str, seconds: float, settled: Callable[[Document | None], str | None]
    ) -> tuple[Document | None, str | None]:
        """Read an object until ``settled`` has nothing against it, or time is up; return it, and what is against it."""
        end = time.monotonic() + seconds
        while True:
            found = None
            try:
                found = self.read(name)
                reason = settled(found)
            except CallError as error:
                if not error.passing:
                    raise
                reason = str(error)
            if reason is None or time.monotonic() >= end:
                return found, reason
            time.sleep(min(_POLL_SECONDS, max(end - time.monotonic(), 0.0)))

    def _call(self, verb: str, *arguments: Any, patience: float = 0.0, **named: Any) -> Any:
        """Call until it succeeds, is refused, or has failed for ``patience`` seconds. Raises CallError."""
        end = time.monotonic() + patience
        while True:
            try:
                return self._once(verb, *arguments, **named)
            except CallError as error:
                if not error.passing or time.monotonic() >= end:
                    raise
            time.sleep(_POLL_SECONDS)

    def _once(self, verb: str, *arguments: Any, **named: Any) -> Any:
        from kubernetes.client import ApiException  # type: ignore[import-untyped]
        from urllib3.exceptions import HTTPError

        method = getattr(self.client.api_instance, f"{verb}_namespaced_custom_object")
        group, version, plural = self.kind
        named["_request_timeout"] = (_CALL_SECONDS, _CALL_SECONDS)  # the client ignores a single float
        try:
            return method(group, version, self.namespace, plural, *arguments, **named)
        except ApiException as error:
            found = f"{error.status} {error.reason}{_message(error)}"
            raise CallError(error.status or 0, f"cluster: expected it to {verb} {plural}; found {found}") from None
        except (HTTPError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CallError(0, f"cluster: expected a response; found {type(error).__name__}: {reason}") from None


def _ends(found: Document | None) -> bool:
    return found is not None and "deletionTimestamp" in found["metadata"]


def _same(found: Document, other: Document) -> bool:
    """Whether two copies are of one object, with the same wishes."""
    return found["metadata"].get("uid") == other["metadata"].get("uid") and found["spec"] == other["spec"]


def _made(found: Document, seen: Document, change: Document) -> bool:
    """Whether an object is the one that was ``seen``, with a merge patch's wishes and no other ones changed."""
    wanted = _merged(seen["spec"], change.get("spec", {}))
    return found["metadata"].get("uid") == seen["metadata"].get("uid") and _holds(found["spec"], wanted)


def _merged(old: Any, new: Any) -> Any:
    """RFC 7386, except that a field which is removed stays as None."""
    if not isinstance(new, dict):
        return new
    base = old if isinstance(old, dict) else {}
    return {**base, **{name: _merged(base.get(name), value) for name, value in new.items()}}


def _holds(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is found. The cluster adds defaults, in lists as well, and leaves empty text out."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_holds(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_holds, found, wanted))
    return bool(found == wanted or (wanted == "" and found is None))


def _unchanged(found: Document | None, stored: Document) -> Document:
    if found is None or _ends(found) or not _same(found, stored):
        raise ChangedError(stored["metadata"]["name"])
    return found


def _message(error: Any) -> str:
    """What the API server says of a document that it refuses: that document is ours. Nothing of other refusals."""
    if error.status == 403:
        return ". Give the ServiceAccount its Roles: deploy/kustomize, in Standard mode its overlays/standard"
    if error.status not in _INVALID:
        return ""
    try:
        return ": " + " ".join(str(json.loads(error.body)["message"]).split())[:300]
    except (ValueError, KeyError, TypeError):
        return ""
