"""The processes of this machine's endpoint: a keeper, which keeps the proxy and the workers, and the record of them."""

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
from serving.deployment.keeper import Keeper
from serving.deployment.processes import end_leftovers
from serving.deployment.proxy import Proxy
from serving.deployment.record import RECORD, Endpoint, Worker

_PROXY = "proxy"


class Machine:
    """What runs for a state folder. Its methods take the endpoint as it is to be, and raise DeploymentError."""

    def __init__(self, state: Path) -> None:
        self.folder = (state / "endpoint").resolve()
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        self.sockets = Path("/tmp") / f"heliograph-{os.getuid()}-{digest}"
        """The keeper's and the proxy's: the path of a socket must be short."""
        self._keeper, self._proxy = Keeper(self.folder, self.sockets), Proxy(self.folder, self.sockets)

    @contextmanager
    def changing(self) -> Iterator[Endpoint | None]:
        """What is served, for as long as nobody else changes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            found = self.found()
            if found is None:
                end_leftovers(self.folder)
                self._remove_sockets()
            yield found

    def found(self) -> Endpoint | None:
        """What is recorded, if it is kept: a record of what was killed is stale."""
        endpoint = Endpoint.read(self._record)
        return endpoint if endpoint is not None and self._keeper.alive() else None

    def begin(self) -> None:
        """Start the keeper. Raises DeploymentError, also where somebody else has taken the place of the sockets."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise DeploymentError(f"{self.sockets}: expected a folder of ours alone; found another. Remove it.")
        self._keeper.start()

    def start(self, endpoint: Endpoint, started: Worker, seconds: float) -> None:
        """Start a worker, which is asked nothing yet, and wait until it is healthy. Raises EndpointError."""
        log = self.folder / f"version-{started.version}.log"
        worker.start(self._keeper, endpoint.name, started, log, seconds)

    def open(self, endpoint: Endpoint) -> None:
        """Start the proxy at the endpoint's address, in the place of one at another address."""
        self._keeper.remove(_PROXY)
        self._proxy.configure(endpoint.host, endpoint.port, endpoint.workers)
        self._keeper.add(_PROXY, self._proxy.command, self.folder / "proxy.log")
        self._proxy.await_shares(endpoint.workers)

    def share(self, endpoint: Endpoint, before: Endpoint) -> None:
        """Divide the traffic among the endpoint's workers; those from before are asked until these are healthy."""
        stay = {worker.port for worker in endpoint.workers}
        self._proxy.share(endpoint.workers, [worker for worker in before.workers if worker.port not in stay])

    def settle(self, endpoint: Endpoint) -> None:
        """Write down what is so, then end what is not part of it any more."""
        endpoint.write(self._record)
        kept = {Path(one.settings) for one in endpoint.workers}
        for name in set(self._keeper.programs()) - {file.stem for file in kept} - {_PROXY}:
            self._keeper.remove(name)
        for file in set((self.folder / "servers").glob("*.json")) - kept:
            file.unlink()
        versions = {one.version for one in endpoint.workers} | {endpoint.previous}
        for bundle in (self.folder / "models").glob("*"):
            if bundle.name not in {f"{endpoint.name}-{version}" for version in versions}:
                shutil.rmtree(bundle, ignore_errors=True)

    def requests(self, one: Worker) -> int:
        """How many requests a worker was sent since it has a share."""
        return self._proxy.requests(one)

    def end(self) -> None:
        """End everything, and forget it."""
        if self._keeper.alive():
            self._keeper.end()
        self.forget()

    def forget(self) -> None:
        """Remove the record, and what was there for the processes."""
        self._remove_sockets()
        self._record.unlink(missing_ok=True)
        for folder in ("servers", "programs", "models", "proxy"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)

    @property
    def _record(self) -> Path:
        return self.folder / RECORD

    def _remove_sockets(self) -> None:
        for name in ("keeper.sock", "keeper.pid", "proxy.sock"):
            (self.sockets / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.sockets.rmdir()
