"""A Kubeflow Pipelines API on loopback for the real client: it runs what it is sent, one run after the other."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.rehearsal.compiled import Compiled
from tests.rehearsal.runner import Ended, Run, World

_RUNS = "/apis/v2beta1/runs"


@dataclass
class Submitted:
    """A run that was sent, and how it ended."""

    run: Run
    parameters: dict[str, Any]
    account: str
    state: str = "PENDING"
    error: str = ""
    """Why this runner, not a task, gave up."""


class PipelinesApi(ThreadingHTTPServer):
    """``token``: what callers must send; ``root``: address of artifacts where a run names none."""

    daemon_threads = True

    def __init__(self, world: World, root: str, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world, self.root, self.token = world, root, token
        self.watch: Callable[[Ended], None] = lambda ended: None
        """Called when an attempt of a task has ended."""
        self.started: Callable[[str, int, str], None] = lambda task, attempt, container: None
        """Called just before the container of an attempt starts."""
        self.runs: dict[str, Submitted] = {}
        self._working: dict[str, threading.Thread] = {}
        self._one_at_a_time = threading.Lock()

    @property
    def address(self) -> str:
        """Where ``--host`` finds it."""
        return f"http://127.0.0.1:{self.server_port}"

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Start the run that a request describes; return it as the API does."""
        given, settings, number = body["pipeline_spec"], body.get("runtime_config", {}), str(uuid.uuid4())
        compiled = Compiled(given.get("pipeline_spec", given), given.get("platform_spec", {}))
        account = body.get("service_account") or "pipeline-runner"
        run = Run(self.world, compiled, number, settings.get("pipeline_root") or self.root, account)
        run.watch = lambda ended: self.watch(ended)
        run.started = lambda *attempt: self.started(*attempt)
        self.runs[number] = Submitted(run, settings.get("parameters", {}), account)
        thread = threading.Thread(target=self._run, args=(self.runs[number],), daemon=True)
        self._working[number] = thread
        thread.start()
        return {"run_id": number, "display_name": body.get("display_name", ""), "state": "PENDING"}

    def result(self, number: str) -> Submitted:
        """Wait until a run has ended."""
        self._working[number].join()
        return self.runs[number]

    def _run(self, submitted: Submitted) -> None:
        with self._one_at_a_time:
            try:
                submitted.state = submitted.run.run(submitted.parameters)
            except Exception as error:  # the table shows it as a break of the run
                submitted.state, submitted.error = "FAILED", f"{type(error).__name__}: {error}"


class _Handler(BaseHTTPRequestHandler):
    server: PipelinesApi

    def log_message(self, *_: Any) -> None:
        """Do not print."""

    def do_GET(self) -> None:
        if not self._allowed():
            return
        if "/experiments" in self.path:
            self._answer({"experiments": [_experiment()]})
        elif self.path.startswith(f"{_RUNS}/"):
            found = self.server.runs.get(self.path.removeprefix(f"{_RUNS}/"))
            self._answer({"state": found.state} if found else {"error": "no such run"}, 200 if found else 404)
        else:
            self._answer({"apiServerReady": True, "multi_user": False})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._allowed():
            return
        self._answer(self.server.create(body) if self.path.startswith(_RUNS) else _experiment())

    def _allowed(self) -> bool:
        """Whether the caller sent the token; the health page needs none."""
        sent = self.headers.get("Authorization", "")
        if sent != f"Bearer {self.server.token}" and not self.path.endswith("/healthz"):
            self._answer({"error": "unauthorized"}, 401)
            return False
        return True

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _experiment() -> dict[str, str]:
    return {"experiment_id": "e-1", "display_name": "heliograph", "namespace": ""}


@contextmanager
def pipelines_api(world: World, root: str, token: str) -> Iterator[PipelinesApi]:
    """Serve until the context ends."""
    server = PipelinesApi(world, root, token)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
