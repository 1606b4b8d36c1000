"""The HTTP side of `tests.standins.api_server`."""

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.standins.access import Call
from tests.standins.api_kinds import KINDS, Key, Object, RefusedError, status_document

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<plural>[a-z]+)"
    r"(?:/(?P<name>[^/]+)(?P<below>/status|/log)?)?"
)
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Any
    """An ``ApiServer``."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms for the client to confirm the headers

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        self.server.requests.append((self.command, self.path, body))
        failure = next(self.server.failures, None)
        try:
            if failure is not None and self.server.answers_lost:
                self._result(body)
            if failure == 0:
                self.close_connection = True
                return
            if failure is not None:
                raise RefusedError(failure, "Failure", "a secret of the cluster")
            status, found = self._result(body)
            self._send(status, found.encode() if isinstance(found, str) else json.dumps(found).encode())
        except RefusedError as error:
            self._send(error.status, status_document(error.status, error.reason, str(error)))

    def _result(self, body: Any) -> tuple[int, Object | str]:
        address = urlsplit(self.path)
        discovered = _discovery(address.path)
        if discovered is not None:
            return 200, discovered
        found = _PATH.fullmatch(address.path)
        if found is None or found["plural"] not in KINDS or KINDS[found["plural"]][0] != (found["group"] or ""):
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        plural, namespace, name = found["plural"], found["namespace"], found["name"] or ""
        verb = _VERBS.get(self.command) or ("get" if name else "list")
        if verb == "create":
            name = body["metadata"]["name"]
        resource = plural + (found["below"] or "")
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else ""  # clients inside a pod write it in lower case
        self.server.check(Call(verb, found["group"] or "", resource, namespace, name), token)
        if self.server.refuse and self.command != "GET":
            raise RefusedError(self.server.refuse, "Refused", "a secret of the cluster")
        if verb == "list":
            return 200, self._list(plural, namespace, parse_qs(address.query).get("labelSelector", [""])[0])
        if found["below"] == "/log":
            return 200, self.server.log_of(namespace, name)
        return self._one(verb, (plural, namespace, name), body, found["below"] == "/status")

    def _list(self, plural: str, namespace: str, selector: str) -> Object:
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        items = [
            item
            for item in self.server.list(plural, namespace)
            if wanted.items() <= item["metadata"].get("labels", {}).items()
        ]
        group, version, kind = KINDS[plural]
        return {"apiVersion": f"{group}/{version}".strip("/"), "kind": f"{kind}List", "metadata": {}, "items": items}

    def _one(self, verb: str, key: Key, body: Any, status: bool) -> tuple[int, Object]:
        old = self.server.get(*key)
        if verb == "create":
            if old is not None:
                raise RefusedError(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
            return 201, self.server.write(key, body)
        if old is None:
            raise RefusedError(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        if verb == "get":
            return 200, old
        if verb == "delete":
            return 200, self.server.delete(key)
        version = (body or {}).get("metadata", {}).get("resourceVersion", "")
        if verb == "patch":
            kind = self.headers.get("content-type", "")
            if not kind.startswith("application/merge-patch+json"):
                raise RefusedError(415, "UnsupportedMediaType", f"expected a merge patch; found {kind}")
            body = merged(old, body)
        if status:
            self.server.set_status(*key, body.get("status", {}))
            return 200, self.server.get(*key) or old
        return 200, self.server.write(key, body, version)

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Do not print."""


def merged(old: Any, new: Any) -> Any:
    """RFC 7386: null removes a field, a list replaces a list."""
    if not isinstance(new, dict):
        return new
    base = old if isinstance(old, dict) else {}
    kept = {key: value for key, value in base.items() if key not in new}
    return kept | {key: merged(base.get(key), value) for key, value in new.items() if value is not None}


def _discovery(path: str) -> Object | None:
    """What clients such as kubectl read first: the groups and the kinds in them."""
    groups = sorted({(group, version) for group, version, _ in KINDS.values() if group})
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        entries = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in groups]
        named = [
            {"name": group, "versions": [entry], "preferredVersion": entry}
            for (group, _), entry in zip(groups, entries, strict=True)
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": named}
    for group, version in [*groups, ("", "v1")]:
        if path == (f"/apis/{group}/{version}" if group else "/api/v1"):
            verbs = ["get", "list", "create", "patch", "update", "delete"]
            kinds = [
                {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
                for plural, (found, _, kind) in KINDS.items()
                if found == group
            ]
            named_group = f"{group}/{version}".strip("/")
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": named_group, "resources": kinds}
    return None
