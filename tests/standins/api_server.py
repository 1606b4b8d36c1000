"""A Kubernetes API server of the tests' own, on loopback: TLS, discovery, CRUD, merge patch, generations, a status that
is a resource of its own, access control by the token of a ServiceAccount, and strict validation by schemas.

    with api_server(folder) as server:
        server.load(yaml documents)                      # Roles, RoleBindings, ServiceAccounts: as administrator
        client = KServeClient(config_dict=server.kubeconfig(server.token_for("heliograph", "heliograph-deploy")))

``on_change`` is called after every write (plural, object, whether it was deleted): a controller hangs there, and writes
with ``set_status``. ``admit`` is called before one, as a webhook is, and may raise RefusedError. Objects are copies.
"""

import copy
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deploy.manifests.custom_kinds import HTTP_ROUTE
from deploy.manifests.schemas import faults, inference_service_schema
from tests.standins.access import Call, allowed
from tests.standins.api_kinds import KINDS, Key, Object, RefusedError
from tests.standins.api_requests import Handler
from tests.standins.certificates import server_context
from tests.standins.train_jobs import train_job_faults

_WITHOUT_GENERATION = {"roles", "rolebindings", "serviceaccounts", "secrets", "configmaps"}


class ApiServer(ThreadingHTTPServer):
    """``requests``: (method, path, body) in order. ``refuse``: the status of every write from now on. ``failures``: of
    the next requests, None for one that is answered, 0 for a connection that is closed without a response.
    ``answers_lost``: such a request is carried out all the same.
    """

    daemon_threads = True

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), Handler)
        context = server_context(folder)  # the handshake is the connection's own thread's
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.ca_file, self.url = folder / "ca.crt", f"https://127.0.0.1:{self.server_port}"
        self.admin = secrets.token_hex(8)
        self.requests: list[tuple[str, str, Any]] = []
        self.refuse: int | None = None
        self.failures: Iterator[int | None] = iter(())
        self.answers_lost = False
        self.logs: dict[tuple[str, str], str] = {}
        """By namespace and name of a pod, each line with its moment, as with ``timestamps``."""
        self.on_change: Callable[[str, Object, bool], None] = lambda plural, changed, deleted: None
        self.admit: Callable[[str, Object], None] = lambda plural, document: None
        self._accounts: dict[str, tuple[str, str]] = {}
        self._objects: dict[Key, Object] = {}
        self._lock, self._version = threading.RLock(), 0

    def written(self) -> list[tuple[str, str, Any]]:
        """The requests that write."""
        return [request for request in self.requests if request[0] != "GET"]

    def token_for(self, namespace: str, name: str) -> str:
        """A new token of a ServiceAccount."""
        token = secrets.token_hex(8)
        self._accounts[token] = (namespace, name)
        return token

    def kubeconfig(self, token: str = "") -> Object:
        """A configuration for clients; without a token: the administrator's."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "here", "user": {"token": token or self.admin}}],
        }

    def load(self, documents: Iterable[Object]) -> None:
        """Create or replace objects, as administrator."""
        plurals = {kind: plural for plural, (_, _, kind) in KINDS.items()}
        for document in documents:
            plural, meta = plurals[document["kind"]], document["metadata"]
            self.write((plural, meta["namespace"], meta["name"]), document)

    def get(self, plural: str, namespace: str, name: str) -> Object | None:
        """A copy of an object, or None."""
        with self._lock:
            return copy.deepcopy(self._objects.get((plural, namespace, name)))

    def list(self, plural: str, namespace: str = "") -> list[Object]:
        """Copies of all objects of a kind, by name."""
        with self._lock:
            found = sorted(key for key in self._objects if key[0] == plural and namespace in ("", key[1]))
            return [copy.deepcopy(self._objects[key]) for key in found]

    def log_of(self, namespace: str, name: str) -> str:
        """The log of a pod. Raises RefusedError where there is none."""
        if (namespace, name) not in self.logs:
            raise RefusedError(404, "NotFound", f'pods "{name}" not found')
        return self.logs[namespace, name]

    def set_status(self, plural: str, namespace: str, name: str, status: Object) -> None:
        """Write the status of an object that is there; its generation stays."""
        with self._lock:
            found = self._objects.get((plural, namespace, name))
            if found is not None:
                found["status"] = copy.deepcopy(status)
                self._count(found)

    def check(self, call: Call, token: str) -> None:
        """Raise RefusedError unless the token may make the call."""
        if token == self.admin:
            return
        if token not in self._accounts:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        roles = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in self.list("roles")}
        account = self._accounts[token]
        if not allowed(call, account, roles, self.list("rolebindings")):
            message = f'User "system:serviceaccount:{":".join(account)}" cannot {call}'
            raise RefusedError(403, "Forbidden", message)

    def write(self, key: Key, document: Object, version: str = "") -> Object:
        """Validate and store an object; ``version``: the resource version that it must have. Returns a copy."""
        with self._lock:
            old = self._objects.get(key)
            if version and old is not None and old["metadata"]["resourceVersion"] != version:
                raise RefusedError(409, "Conflict", "the object has been modified")
            new = self._stored(key, copy.deepcopy(document), old)
            self._objects[key] = new
            self._count(new)
            changed = copy.deepcopy(new)
        self.on_change(key[0], changed, False)
        return self.get(*key) or changed

    def delete(self, key: Key) -> Object:
        """Remove an object; return its last copy. Raises RefusedError where there is none."""
        with self._lock:
            found = self._objects.pop(key, None)
        if found is None:
            raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        self.on_change(key[0], found, True)
        return found

    def _stored(self, key: Key, document: Object, old: Object | None) -> Object:
        plural, namespace, name = key
        schema = {"inferenceservices": inference_service_schema(), "httproutes": HTTP_ROUTE}.get(plural)
        found = [] if schema is None else list(faults({**document, "status": {}}, schema))
        if plural == "trainjobs":
            found += train_job_faults({name: value for name, value in document.items() if name != "status"})
        if document.get("kind") != KINDS[plural][2]:
            found.append(f"kind: expected {KINDS[plural][2]}")
        if found:
            raise RefusedError(422, "Invalid", f'{KINDS[plural][2]} "{name}" is invalid: {"; ".join(found)}')
        meta = {**document.get("metadata", {}), "name": name, "namespace": namespace}
        fixed = {"uid": str(uuid.uuid4()), "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        generation = 1
        if old is not None:
            fixed = {field: old["metadata"][field] for field in fixed}
            generation = old["metadata"].get("generation", 1) + (old.get("spec") != document.get("spec"))
        document["metadata"] = {**meta, **fixed}
        self.admit(plural, document)
        if plural not in _WITHOUT_GENERATION:
            document["metadata"]["generation"] = generation
        document.pop("status", None)  # a resource of its own
        if old is not None and "status" in old:
            document["status"] = old["status"]
        return document

    def _count(self, changed: Object) -> None:
        self._version += 1
        changed["metadata"]["resourceVersion"] = str(self._version)


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """A running server; ``folder`` takes its certificate."""
    server = ApiServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
