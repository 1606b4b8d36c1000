"""Rollout: deployment, canary, promotion and rollback of a version. The rules are the same for every target.

The registry's aliases follow the traffic: a version becomes the champion after it serves. The alias ``canary`` is given
before, since it keeps the version's vectors in the online store, and taken back where the version does not come up.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from serving.deployment.errors import ChangedError, DeploymentError, LeftError, VerdictError
from serving.deployment.verdict import check_verdict
from serving.versions.registry import Registry


class Address(Protocol):
    """Where callers send requests."""

    @property
    def url(self) -> str:
        """URL of the v1 predict call."""

    @property
    def grpc(self) -> str:
        """Address of the Open Inference Protocol over gRPC; "" where it is not reachable."""


class Target(Protocol):
    """Deployment target: ``embedded.Embedded`` on this machine, ``knative.Knative`` or ``standard.Standard`` elsewhere.

    Every change returns once it is in force. One that fails leaves what served before. Raises DeploymentError,
    EndpointError or RegistryError.
    """

    def up(self, version: str) -> Address:
        """Serve a version with all traffic, in place of whatever serves."""

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic, or change the canary's share."""

    def candidate(self) -> str:
        """The canary's version. Raises DeploymentError where there is none."""

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""

    def rollback(self, champion: str | None = None, previous: str | None = None) -> str:
        """Take the canary's share back; without one, serve ``previous`` in place of what serves.

        Returns the version that no longer serves.
        """

    def withdraw(self, version: str) -> None:
        """End a version that has no traffic (yet), so that whoever starts it does not give it any."""

    def version(self) -> str | None:
        """The main version, which is not the canary; None where nothing is served."""

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version."""

    def address(self) -> Address:
        """Where the model is served."""

    def state(self) -> Literal["up", "unhealthy", "down"]:
        """``up``: every version responds; ``unhealthy``: one does not; ``down``: nothing is served."""

    def down(self) -> bool:
        """Stop serving; return whether anything was served."""


class Rollout:
    """Changes the traffic of one model at one target.

    ``allowed`` is called before every change of the target and of the champion. It raises where the caller may not
    change them any more: a target can take minutes, in which another run may have taken the lease.
    """

    def __init__(
        self, target: Target, registry: Registry, name: str, allowed: Callable[[], None] = lambda: None
    ) -> None:
        self._target, self._registry, self._name, self._allowed = target, registry, name, allowed

    def up(self, version: str) -> Address:
        """Serve a version with all traffic, whatever the verdict. Where it is not the champion, it has the alias canary
        as long as it serves: `promote` makes it the champion.
        """
        with self._kept(version):
            address = self._target.up(version)
        if self._registry.champion(self._name) == version:
            self._registry.end_canary(self._name, version)
        return address

    def deploy(self, version: str) -> Address:
        """Serve a version with all traffic, whatever the verdict, then make it the champion."""
        address = self.up(version)
        self._make_champion(version)
        return address

    def begin(self, version: str, percent: int) -> Address:
        """Give a version that passed the gate a share of the traffic next to the champion.

        The champion is started first where nothing is served. Raises VerdictError where the version did not pass, and
        DeploymentError where a version other than the champion is served.
        """
        self.check(version)  # before anything is changed
        self._allowed()
        champion, served = self._registry.require_champion(self._name), self._target.version()
        if served is None:
            self._target.up(champion)
        elif served != champion:
            raise DeploymentError(
                f"{self._name}: expected the champion, version {champion}, to be served; found version {served}. "
                "Make that the champion (python -m serving promote --version) or serve the champion (up)."
            )
        self.canary(version, percent)
        return self._target.address()

    def canary(self, version: str | None, percent: int) -> str:
        """Give a version (None = the candidate) a share of the traffic; return the version.

        Raises VerdictError where it did not pass the gate, or was compared with a version that is not today's champion.
        """
        chosen = version or self._registry.candidate(self._name)
        if chosen is None:
            raise VerdictError(f"{self._name}: expected a candidate; found none. Train one, or name a --version.")
        self.check(chosen)
        with self._kept(chosen):
            self._target.canary(chosen, percent)
        return chosen

    def check(self, version: str) -> None:
        """Raise VerdictError for a version that may not become a canary now."""
        self._check(version, self._registry.champion(self._name))

    def promote(self, version: str | None = None) -> str:
        """Give a version (None = the canary) all traffic, then make it the champion; return it. Raises VerdictError.

        A canary is promoted even if the champion has changed since it started. If a call is interrupted between the two
        steps, repeat it with the version's number to finish.
        """
        chosen = version or self._target.candidate()
        self._check(chosen)
        self._allowed()
        self._target.promote(chosen)
        self._make_champion(chosen)
        return chosen

    def rollback(self) -> str:
        """Undo the canary or the last promotion, whatever the verdict; return the version that no longer serves.

        After a promotion the version before serves again, on the vectors that were kept for it, and is the champion.
        Where another version than the champion has all traffic, because nothing has promoted it (yet), the champion
        serves again. A canary that is one by its alias alone loses the alias: it was cut off, or another process is
        still starting it, which then fails.
        """
        self._allowed()
        champion, previous = self._registry.champion(self._name), self._registry.previous(self._name)
        canary, served = self._registry.canary(self._name), self._target.version()
        if served is not None:
            if canary is not None and canary not in self._target.traffic():
                self._target.withdraw(canary)
                self._registry.end_canary(self._name, canary)
                return canary
            if champion is not None and served != champion and served == previous and canary is None:
                self._registry.promote(self._name, served)  # a rollback that was interrupted after the traffic
                return champion
        back = previous if served in (None, champion) else champion
        gone = self._target.rollback(champion, back)
        served = self._target.version()
        if gone == champion and served is not None:
            self._registry.promote(self._name, served)
        self._registry.end_canary(self._name, gone)
        return gone

    def down(self) -> bool:
        """Stop serving, return whether anything was served. The champion stays the champion."""
        found, canary = self._target.down(), self._registry.canary(self._name)
        if canary is not None:
            self._registry.end_canary(self._name, canary)
        return found

    def _make_champion(self, version: str) -> None:
        """Let the alias follow the traffic, unless another process has given the traffic to another version since."""
        self._allowed()
        if self._target.version() != version:
            raise ChangedError(self._name)
        self._registry.promote(self._name, version)

    @contextmanager
    def _kept(self, version: str) -> Iterator[None]:
        """Keep the version's vectors with the alias ``canary``; give the alias back where the change fails.

        Not where another process has changed the endpoint meanwhile: the version may serve by its will. Nor where what
        served before could not be put back: the version may still have its share.
        """
        self._allowed()
        before = self._registry.canary(self._name)
        self._registry.start_canary(self._name, version)
        try:
            yield
        except (ChangedError, LeftError):
            raise
        except BaseException:
            if before is None:
                self._registry.end_canary(self._name, version)
            else:
                self._registry.start_canary(self._name, before)
            raise

    def _check(self, version: str, champion: str | None = None) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            bundle = self._registry.download(self._name, version, Path(scratch) / "bundle")
            check_verdict(version, bundle, champion)
