"""A version on its way to all traffic: a share first, then everything, or back. Only what the gate lets out goes.

The gate's verdict (``monitoring.gate.Verdict``) lies in the version's bundle, under the bundle's digests: metrics.json,
entry ``gate``. What it says is the same for every target.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Protocol

from serving.deployment.errors import VerdictError
from serving.versions.registry import Registry

_PASSED = "promote"


class Target(Protocol):
    """Where versions serve: ``deployment.embedded.Embedded`` or ``deployment.cluster.Cluster``."""

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic."""

    def candidate(self) -> str:
        """The version that has a share."""

    def promote(self, version: str) -> None:
        """Give it everything, if it is of that version; where it has everything, do nothing."""

    def rollback(self) -> str:
        """Take it all back; answers the version that serves no longer."""

    def traffic(self) -> dict[str, int]:
        """Percent by version, or by the cluster's revision."""


class Rollout:
    """The changes of one model's traffic at one target."""

    def __init__(self, target: Target, registry: Registry, name: str) -> None:
        self._target, self._registry, self._name = target, registry, name

    def canary(self, version: str | None, percent: int) -> str:
        """Give a version (None = the candidate) a share, if the gate let it out; answers the version.

        Raises VerdictError where it did not, or compared with another version than today's champion.
        """
        chosen = version or self._registry.candidate(self._name)
        if chosen is None:
            raise VerdictError(f"{self._name}: expected a candidate; found none. Train one, or name a --version.")
        self.check(chosen)
        self._target.canary(chosen, percent)
        return chosen

    def check(self, version: str) -> None:
        """Raise VerdictError for a version that may not be a canary now."""
        self._check(version, self._registry.champion(self._name))

    def promote(self, version: str | None = None) -> str:
        """Give a version (None = the canary) all traffic and make it the champion; answers it. Raises VerdictError.

        A canary that is under way is promoted whatever became the champion meanwhile. A call that was cut off in
        between is finished by another one that names the version.
        """
        chosen = version or self._target.candidate()
        self._check(chosen)
        self._target.promote(chosen)
        self._registry.promote(self._name, chosen)
        return chosen

    def rollback(self) -> str:
        """Take the traffic back, whatever the gate said; answers the version that serves no longer."""
        return self._target.rollback()

    def _check(self, version: str, champion: str | None = None) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            bundle = self._registry.download(self._name, version, Path(scratch) / "bundle")
            check_verdict(version, bundle, champion)


def check_verdict(version: str, bundle: Path, champion: str | None = None) -> None:
    """Raise VerdictError unless the gate let the version of a bundle out.

    With ``champion`` the verdict has to be one against that version. One that names none was given when there was no
    champion, or before verdicts named it, and is taken.
    """
    verdict = _verdict(json.loads((bundle / "metrics.json").read_text(encoding="utf-8")))
    if verdict is None:
        raise VerdictError(
            f"version {version}: expected the gate's verdict in its bundle; found none. Register it by the training "
            "pipeline, which asks the gate."
        )
    if verdict["decision"] != _PASSED:
        reasons = " ".join(str(reason) for reason in verdict.get("reasons", []))
        raise VerdictError(
            f"version {version}: expected the gate's verdict {_PASSED!r}; found {verdict['decision']!r}: {reasons} "
            "Choose a version that passed: python -m serving versions"
        )
    compared = verdict.get("versions", {}).get("champion")
    if champion not in (None, version) and compared not in (None, champion):
        raise VerdictError(
            f"version {version}: expected a verdict against the champion, version {champion}; found one against "
            f"version {compared}. Run the training pipeline again, which compares with today's."
        )


def _verdict(metrics: Any) -> dict[str, Any] | None:
    found = metrics.get("gate") if isinstance(metrics, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("decision"), str) else None
