"""Processes of an endpoint on this machine: the supervisor, the proxy, the workers, and the record of them."""

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.deployment import worker
from serving.deployment.errors import DeploymentError
from serving.deployment.processes import end_leftovers
from serving.deployment.proxy import Proxy
from serving.deployment.record import RECORD, Endpoint, Worker
from serving.deployment.supervisor import Supervisor

_PROXY = "proxy"


class EndpointProcesses:
    """Starts, changes and stops the processes of a state folder's endpoint.

    Methods that take an ``Endpoint`` take the desired one. All raise DeploymentError where a process does not follow.
    """

    def __init__(self, state: Path) -> None:
        self.folder = (state / "endpoint").resolve()
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        self.sockets = Path("/tmp") / f"heliograph-{os.getuid()}-{digest}"
        """Folder of the supervisor's and the proxy's sockets; in /tmp because a socket's path must be short."""
        self._supervisor, self._proxy = Supervisor(self.folder, self.sockets), Proxy(self.folder, self.sockets)

    @contextmanager
    def locked(self) -> Iterator[Endpoint | None]:
        """Yield the current endpoint while holding the lock that every change takes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            found = self.current()
            if found is None:
                end_leftovers(self.folder)
                self._remove_sockets()
            yield found

    def current(self) -> Endpoint | None:
        """The recorded endpoint; None where there is none, or its supervisor is gone and the record stale."""
        endpoint = Endpoint.read(self._record)
        return endpoint if endpoint is not None and self._supervisor.alive() else None

    def start_supervisor(self) -> None:
        """Start the supervisor. Raises DeploymentError, also where the sockets' folder belongs to another user."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise DeploymentError(f"{self.sockets}: expected a folder of ours alone; found another. Remove it.")
        self._supervisor.start()

    def start_worker(self, endpoint: Endpoint, started: Worker, seconds: float) -> None:
        """Start a worker without traffic and wait until it is healthy. Raises EndpointError."""
        log = self.folder / f"version-{started.version}.log"
        worker.start(self._supervisor, endpoint.name, started, log, seconds)

    def start_proxy(self, endpoint: Endpoint) -> None:
        """Start the proxy at the endpoint's address; replaces a proxy at another address."""
        self._supervisor.remove(_PROXY)
        self._proxy.configure(endpoint.host, endpoint.port, endpoint.workers)
        self._supervisor.add(_PROXY, self._proxy.command, self.folder / "proxy.log")
        self._proxy.await_shares(endpoint.workers)

    def shift_traffic(self, endpoint: Endpoint, before: Endpoint) -> None:
        """Divide the traffic among the endpoint's workers; those of ``before`` serve until these are healthy."""
        stay = {worker.port for worker in endpoint.workers}
        self._proxy.share(endpoint.workers, [worker for worker in before.workers if worker.port not in stay])

    def finalize(self, endpoint: Endpoint) -> None:
        """Write the record, then stop and remove whatever is no longer part of the endpoint."""
        endpoint.write(self._record)
        kept = {Path(one.settings) for one in endpoint.workers}
        for name in set(self._supervisor.programs()) - {file.stem for file in kept} - {_PROXY}:
            self._supervisor.remove(name)
        for file in set((self.folder / "servers").glob("*.json")) - kept:
            file.unlink()
        versions = {one.version for one in endpoint.workers} | {endpoint.previous}
        for bundle in (self.folder / "models").glob("*"):
            if bundle.name not in {f"{endpoint.name}-{version}" for version in versions}:
                shutil.rmtree(bundle, ignore_errors=True)

    def requests(self, one: Worker) -> int:
        """The number of requests sent to a worker since it started to receive traffic."""
        return self._proxy.requests(one)

    def stop(self) -> None:
        """Stop every process and clear the folder."""
        if self._supervisor.alive():
            self._supervisor.end()
        self.clear()

    def clear(self) -> None:
        """Remove the record and the files of the processes."""
        self._remove_sockets()
        self._record.unlink(missing_ok=True)
        for folder in ("servers", "programs", "models", "proxy"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)

    @property
    def _record(self) -> Path:
        return self.folder / RECORD

    def _remove_sockets(self) -> None:
        for name in ("supervisor.sock", "supervisor.pid", "proxy.sock"):
            (self.sockets / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.sockets.rmdir()
