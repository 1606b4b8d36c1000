"""Embedded target: serves a model on this machine, one version or two that share the traffic, behind one address.

Each version is a KServe process (``serving.server.process``). A new process receives traffic once it is healthy. An old
one receives none before it is stopped, and finishes the requests it has (``serving.server.drain``).
"""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.endpoint_state import down, status
from serving.deployment.errors import DeploymentError
from serving.deployment.record import Endpoint, Worker
from serving.errors import EndpointError
from serving.settings.limits import Limits
from serving.settings.listening import LOOPBACK, free_port
from serving.settings.settings import Settings
from serving.versions.registry import Registry
from serving.versions.signing import verify_key

START_SECONDS = 120.0
"""How long a server may take to load and to become healthy."""


@dataclass(frozen=True)
class EndpointOptions:
    """How an endpoint listens and what it accepts. None keeps the current value, or the default where nothing runs."""

    host: str | None = None
    """Address to listen at; the default is loopback."""
    port: int | None = None
    """The default is a free port."""
    token_file: str | None = None
    """File with the token that callers must send (``serving.settings.token``); "", the default, means no token."""
    limits: Limits | None = None


class Embedded:
    """The endpoint of a state folder. One change at a time; a change that fails is undone.

    Every change raises RegistryError for a version that is unknown or fails verification, EndpointError (with the log's
    last lines) for one that does not become healthy, and DeploymentError where there is nothing to change, or the
    supervisor or the proxy does not respond as expected.
    """

    def __init__(
        self,
        state: Path,
        registry: Registry,
        name: str,
        seconds: float = START_SECONDS,
        store_config: Path | None = None,
        options: EndpointOptions | None = None,
    ) -> None:
        """``store_config``: a feature_store.yaml with absolute paths; None = the state folder's."""
        self._state, self._processes = state, EndpointProcesses(state)
        self._registry, self._name, self._seconds = registry, name, seconds
        self._store_config = store_config or state / "feast" / "feature_store.yaml"
        self._options = options or EndpointOptions()

    def up(self, version: str, store_config: Path | None = None, options: EndpointOptions | None = None) -> Endpoint:
        """Serve a version with all traffic. No request fails during the change if the address stays the same."""
        options = options or self._options
        if store_config is None:
            store_config = self._store_config
            if not store_config.is_file():
                raise EndpointError(
                    f"{store_config}: expected the store's configuration; found none. Apply the features first."
                )
        with self._processes.locked() as found:
            current = None if found is None else Settings.read(Path(found.stable.settings))
            token_file = options.token_file
            if token_file is None:
                token_file = current.token_file if current else ""
            host = options.host or (found.host if found else LOOPBACK)
            settings = Settings(
                name=self._name,
                version=version,
                bundle="",
                store_config=str(store_config.resolve()),
                served=str(self._processes.folder / "served"),
                port=0,
                grpc_port=0,
                limits=options.limits or (current.limits if current else Limits()),
                token_file=str(Path(token_file).resolve()) if token_file else "",
            )
            return self._up(found, settings, host, options.port, _previous(found, self._name, version))

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic, or change the canary's share."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        with self._processes.locked() as found:
            endpoint = self._required(found)
            stable, canary = endpoint.stable, endpoint.canary
            if version == stable.version:
                raise DeploymentError(f"version {version}: expected another than the one that is served; found it.")
            if canary is not None and canary.version != version:
                raise DeploymentError(
                    f"{self._name}: expected no other canary; found version {canary.version} with {canary.percent} %. "
                    "Promote it or roll it back first."
                )
            if canary is None:
                settings = replace(Settings.read(Path(stable.settings)), version=version)
                canary = self._start(endpoint, settings, percent)
            shares = (replace(stable, percent=100 - percent), replace(canary, percent=percent))
            self._move(endpoint, replace(endpoint, workers=shares))

    def candidate(self) -> str:
        """The canary's version."""
        return self._canary(self._required(self._processes.current())).version

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic; stop the old version. No-op if it has all."""
        with self._processes.locked() as found:
            endpoint = self._required(found)
            if endpoint.canary is None and endpoint.version == version:
                return
            canary = replace(self._canary(endpoint), percent=100)
            if canary.version != version:
                raise DeploymentError(f"{self._name}: expected a canary of version {version}; found {canary.version}.")
            self._move(endpoint, replace(endpoint, version=version, workers=(canary,), previous=endpoint.version))

    def rollback(self, champion: str | None = None, previous: str | None = None) -> str:
        """Stop the canary; without one, go back to the version served before. Returns the one that no longer serves.

        ``previous``: where to go back to if this endpoint has served no other version before.
        """
        with self._processes.locked() as found:
            endpoint = self._required(found)
            canary = endpoint.canary
            if canary is not None:
                self._move(endpoint, replace(endpoint, workers=(replace(endpoint.stable, percent=100),)))
                return canary.version
            before = endpoint.previous or previous
            if before in (None, endpoint.version):
                raise DeploymentError(f"{self._name}: expected a canary or a previous version; found neither.")
            settings = replace(Settings.read(Path(endpoint.stable.settings)), version=before)
            # No previous version any more: a second rollback must not bring the bad version back.
            self._up(endpoint, settings, endpoint.host, endpoint.port, previous=None)
            return endpoint.version

    def withdraw(self, version: str) -> None:
        """Nothing: whoever starts a version holds this machine's lock until it has its traffic, or has ended."""

    def version(self) -> str | None:
        """The main version; None where this model is not served."""
        found = self._processes.current()
        return found.stable.version if found is not None and found.name == self._name else None

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        return {worker.version: worker.percent for worker in self._required(self._processes.current()).workers}

    def address(self) -> Endpoint:
        """The record of the endpoint, with its addresses."""
        return self._required(self._processes.current())

    def state(self) -> Literal["up", "unhealthy", "down"]:
        """Whether every version responds."""
        return status(self._state).state

    def down(self) -> bool:
        """Stop the endpoint; return whether it was running."""
        return down(self._state)

    def _up(
        self, found: Endpoint | None, settings: Settings, host: str, port: int | None, previous: str | None
    ) -> Endpoint:
        same = found is not None and found.host == host and port in (None, found.port)
        port = found.port if found is not None and same else free_port(host, port or 0)
        # Fetch and verify first: a version that cannot be served must fail before anything changes.
        self._download(settings.version)
        endpoint = Endpoint(
            name=self._name,
            version=settings.version,
            host=host,
            port=port,
            grpc_port=port,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            workers=(),
            previous=previous,
        )
        if found is None:
            self._processes.start_supervisor()
        try:
            endpoint = replace(endpoint, workers=(self._start(endpoint, settings, 100),))
            if found is not None and same:
                self._processes.shift_traffic(endpoint, found)
            else:
                self._processes.start_proxy(endpoint)
        except BaseException:
            self._undo(found, endpoint, moved=not same)
            raise
        self._processes.finalize(endpoint)
        return endpoint

    def _required(self, found: Endpoint | None) -> Endpoint:
        if found is None or found.name != self._name:
            raise DeploymentError(f"{self._name}: expected it to be served; it is not. Begin: python -m serving up")
        return found

    def _canary(self, endpoint: Endpoint) -> Worker:
        if endpoint.canary is None:
            raise DeploymentError(
                f"{self._name}: expected a canary; found version {endpoint.version} with all traffic. Begin one: "
                "python -m serving canary. To make what is served the champion: promote --version"
            )
        return endpoint.canary

    def _download(self, version: str) -> Path:
        folder = self._processes.folder / "models" / f"{self._name}-{version}"
        return self._registry.download(self._name, version, folder)

    def _start(self, endpoint: Endpoint, settings: Settings, percent: int) -> Worker:
        """Start a process for the settings' version and return once it is healthy; it receives no traffic yet."""
        bundle = self._download(settings.version)
        digest, key = self._registry.digest(self._name, settings.version), verify_key(settings.verify_key)
        port = free_port(LOOPBACK)
        while (grpc_port := free_port(LOOPBACK)) == port:
            pass
        file = self._processes.folder / "servers" / f"{settings.version}-{secrets.token_hex(4)}.json"
        file.parent.mkdir(exist_ok=True)
        settings = replace(settings, bundle=str(bundle.resolve()), digest=digest, verify_key=key)
        replace(settings, port=port, grpc_port=grpc_port).write(file)
        started = Worker(settings.version, str(file), port, grpc_port, percent)
        self._processes.start_worker(endpoint, started, self._seconds)
        return started

    def _move(self, endpoint: Endpoint, changed: Endpoint) -> None:
        try:
            self._processes.shift_traffic(changed, endpoint)
        except BaseException:
            self._undo(endpoint, changed)
            raise
        self._processes.finalize(changed)

    def _undo(self, found: Endpoint | None, failed: Endpoint, moved: bool = False) -> None:
        """Go back to what was served before a failed change."""
        if found is None:
            self._processes.stop()
            return
        if failed.workers and moved:
            self._processes.start_proxy(found)
        elif failed.workers:
            self._processes.shift_traffic(found, failed)
        self._processes.finalize(found)


def _previous(found: Endpoint | None, name: str, version: str) -> str | None:
    """The version to roll back to once ``version`` serves; starting the same version again does not change it."""
    if found is None or found.name != name:
        return None
    return found.previous if found.version == version else found.version
