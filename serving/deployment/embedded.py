"""A model on this machine: a version, or two that share the traffic, behind one address that never goes away.

Each version is a KServe process (``serving.server.process``) of its own. A new one is loaded and healthy before it is asked
anything; an old one is asked nothing any more before it ends, and answers what it is at (``serving.server.drain``).
"""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from serving.deployment.errors import DeploymentError
from serving.deployment.machine import Machine
from serving.deployment.record import Endpoint, Worker
from serving.settings.limits import Limits
from serving.settings.listening import LOOPBACK, free_port
from serving.settings.settings import Settings
from serving.versions.registry import Registry
from serving.versions.signing import verify_key

START_SECONDS = 120.0
"""How long a server may take to load and to become healthy."""


class Embedded:
    """The endpoint of a state folder. One change at a time; what fails leaves everything as it was.

    Every change raises RegistryError for a version that is unknown or was tampered with, EndpointError (with the log's
    last lines) for one that does not become healthy, DeploymentError where there is nothing to change, or where keeper
    or proxy do not follow.
    """

    def __init__(self, state: Path, registry: Registry, name: str, seconds: float = START_SECONDS) -> None:
        self._machine, self._registry, self._name, self._seconds = Machine(state), registry, name, seconds

    def up(
        self,
        version: str,
        store_config: Path,
        host: str | None = None,
        port: int | None = None,
        token_file: str | None = None,
        limits: Limits | None = None,
    ) -> Endpoint:
        """Serve a version with all traffic. At the address of what is served already, no request fails meanwhile.

        ``host``, ``port``, ``token_file`` and ``limits`` None: as they are held; else loopback, a free one, no token
        (""), the defaults.
        """
        with self._machine.changing() as found:
            held = None if found is None else Settings.read(Path(found.stable.settings))
            if token_file is None:
                token_file = held.token_file if held else ""
            host = host or (found.host if found else LOOPBACK)
            settings = Settings(
                name=self._name,
                version=version,
                bundle="",
                store_config=str(store_config.resolve()),
                served=str(self._machine.folder / "served"),
                port=0,
                grpc_port=0,
                limits=limits or (held.limits if held else Limits()),
                token_file=str(Path(token_file).resolve()) if token_file else "",
            )
            return self._up(found, settings, host, port, _previous(found, self._name, version))

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic, or another share to the one that has some."""
        if not 1 <= percent <= 99:
            raise DeploymentError(f"percent: expected 1 to 99; found {percent}. `promote` gives a version everything.")
        with self._machine.changing() as found:
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
        """The version that has a share of the traffic and not all of it."""
        return self._canary(self._required(self._machine.found())).version

    def promote(self, version: str) -> None:
        """Give the canary all traffic, if it is of that version; the one before it ends. Done already: nothing."""
        with self._machine.changing() as found:
            endpoint = self._required(found)
            if endpoint.canary is None and endpoint.version == version:
                return
            canary = replace(self._canary(endpoint), percent=100)
            if canary.version != version:
                raise DeploymentError(f"{self._name}: expected a canary of version {version}; found {canary.version}.")
            self._move(endpoint, replace(endpoint, version=version, workers=(canary,), previous=endpoint.version))

    def rollback(self) -> str:
        """Take all traffic from the canary, or else from the version that took the place of the previous one.

        Answers the version that serves no longer. Where it was the champion, the previous one is again.
        """
        with self._machine.changing() as found:
            endpoint = self._required(found)
            canary = endpoint.canary
            if canary is not None:
                self._move(endpoint, replace(endpoint, workers=(replace(endpoint.stable, percent=100),)))
                return canary.version
            if endpoint.previous is None:
                raise DeploymentError(f"{self._name}: expected a canary or a previous version; found neither.")
            settings = replace(Settings.read(Path(endpoint.stable.settings)), version=endpoint.previous)
            # Nothing is previous now: what was taken back must not come back by a second call.
            self._up(endpoint, settings, endpoint.host, endpoint.port, previous=None)
            if self._registry.champion(self._name) == endpoint.version:
                self._registry.promote(self._name, endpoint.previous)
            return endpoint.version

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        return {worker.version: worker.percent for worker in self._required(self._machine.found()).workers}

    def _up(
        self, found: Endpoint | None, settings: Settings, host: str, port: int | None, previous: str | None
    ) -> Endpoint:
        same = found is not None and found.host == host and port in (None, found.port)
        port = found.port if found is not None and same else free_port(host, port or 0)
        # What can be refused is refused before anything is touched.
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
            self._machine.begin()
        try:
            endpoint = replace(endpoint, workers=(self._start(endpoint, settings, 100),))
            if found is not None and same:
                self._machine.share(endpoint, found)
            else:
                self._machine.open(endpoint)
        except BaseException:
            self._undo(found, endpoint, moved=not same)
            raise
        self._machine.settle(endpoint)
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
        folder = self._machine.folder / "models" / f"{self._name}-{version}"
        return self._registry.download(self._name, version, folder)

    def _start(self, endpoint: Endpoint, settings: Settings, percent: int) -> Worker:
        """A process of the settings' version, once it is healthy; nobody asks it yet."""
        bundle = self._download(settings.version)
        digest, key = self._registry.digest(self._name, settings.version), verify_key(settings.verify_key)
        port = free_port(LOOPBACK)
        while (grpc_port := free_port(LOOPBACK)) == port:
            pass
        file = self._machine.folder / "servers" / f"{settings.version}-{secrets.token_hex(4)}.json"
        file.parent.mkdir(exist_ok=True)
        settings = replace(settings, bundle=str(bundle.resolve()), digest=digest, verify_key=key)
        replace(settings, port=port, grpc_port=grpc_port).write(file)
        started = Worker(settings.version, str(file), port, grpc_port, percent)
        self._machine.start(endpoint, started, self._seconds)
        return started

    def _move(self, endpoint: Endpoint, changed: Endpoint) -> None:
        try:
            self._machine.share(changed, endpoint)
        except BaseException:
            self._undo(endpoint, changed)
            raise
        self._machine.settle(changed)

    def _undo(self, found: Endpoint | None, failed: Endpoint, moved: bool = False) -> None:
        """Back to what was served before a change that failed; to nothing where nothing was."""
        if found is None:
            self._machine.end()
            return
        if failed.workers and moved:
            self._machine.open(found)
        elif failed.workers:
            self._machine.share(found, failed)
        self._machine.settle(found)


def _previous(found: Endpoint | None, name: str, version: str) -> str | None:
    """What a version takes the place of; itself put up again takes no other's."""
    if found is None or found.name != name:
        return None
    return found.previous if found.version == version else found.version
