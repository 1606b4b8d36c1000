"""A stand-in of the Kubeflow Pipelines API on loopback, to which the real kfp.Client talks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECURRING = "/apis/v2beta1/recurringruns"


class Cluster(ThreadingHTTPServer):
    """Records the requests; keeps recurring runs, of which a page has two."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, bytes]] = []
        self.tokens: list[str | None] = []
        """The authorization header of every request."""
        self.status = 200
        """Of the answers to requests that change something."""
        self.refuses = ""
        """A part of the path of the only requests that ``status`` is for; empty: of all."""
        self.recurring: dict[str, dict[str, Any]] = {}
        self.enabled_at_once = 0
        """Most recurring runs that were ever enabled together."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def changes(self) -> list[str]:
        """Method and path of the requests that changed recurring runs."""
        return [f"{method} {path}" for method, path, _ in self.seen if method != "GET" and RECURRING in path]


class _Handler(BaseHTTPRequestHandler):
    server: Cluster

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._record()
        address = urlsplit(self.path)
        if "/experiments" in address.path:
            namespace = parse_qs(address.query).get("namespace", [""])[0]
            known = {"experiment_id": f"e-{namespace or 1}", "display_name": "heliograph", "namespace": namespace}
            self._answer({"experiments": [known]})
        elif address.path == RECURRING:
            begin = int(parse_qs(address.query).get("page_token", ["0"])[0] or 0)
            known = list(self.server.recurring.values())
            following = {"next_page_token": str(begin + 2)} if len(known) > begin + 2 else {}
            self._answer({"recurringRuns": known[begin : begin + 2], **following})
        else:
            self._answer({"apiServerReady": True, "multi_user": False})

    def do_POST(self) -> None:
        body = self._record()
        if self._refused():
            return
        if self.path == RECURRING:
            number = f"rr-{len(self.server.seen)}"
            self.server.recurring[number] = {**json.loads(body), "recurring_run_id": number}
            self._answer(self.server.recurring[number])
        elif self.path.startswith(RECURRING):
            number, _, action = self.path.removeprefix(f"{RECURRING}/").partition(":")
            self.server.recurring[number]["mode"] = action.upper()
            self._answer({})
        elif self.path.startswith("/apis/v2beta1/runs"):
            self._answer({"run_id": "r-42", "display_name": "run"})
        else:
            self._answer({"experiment_id": "e-1", "display_name": "heliograph"})
        self._count()

    def do_DELETE(self) -> None:
        self._record()
        if not self._refused():
            del self.server.recurring[self.path.removeprefix(f"{RECURRING}/")]
            self._answer({})

    def _count(self) -> None:
        enabled = sum(one["mode"] == "ENABLE" for one in self.server.recurring.values())
        self.server.enabled_at_once = max(self.server.enabled_at_once, enabled)

    def _refused(self) -> bool:
        refused = self.server.status != 200 and self.server.refuses in f"{self.command} {self.path}"
        if refused:
            self._answer({"error": "quota exceeded"}, self.server.status)
        return refused

    def _record(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, body))
        self.server.tokens.append(self.headers.get("authorization"))
        return body

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        payload = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def serve() -> Iterator[Cluster]:
    """Serve until the generator goes on."""
    server = Cluster()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
