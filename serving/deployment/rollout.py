"""Rollout: canary, promotion and rollback of a version, for versions that passed the gate only.

The gate's verdict (``monitoring.gate.Verdict``) is in the version's bundle, covered by its digests: metrics.json, entry
``gate``. The rules are the same for every target.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Protocol

from serving.deployment.errors import VerdictError
from serving.versions.registry import Registry

_PASSED = "promote"


class Target(Protocol):
    """Deployment target: ``deployment.embedded.Embedded`` or ``deployment.cluster.Cluster``."""

    def canary(self, version: str, percent: int) -> None:
        """Give a version a share of the traffic."""

    def candidate(self) -> str:
        """The canary's version."""

    def promote(self, version: str) -> None:
        """Give the canary, which must be ``version``, all traffic. Does nothing if it has all."""

    def rollback(self) -> str:
        """Undo the canary or the last promotion; return the version that no longer serves."""

    def traffic(self) -> dict[str, int]:
        """Percent of the traffic by version, or by the cluster's revision."""


class Rollout:
    """Changes the traffic of one model at one target."""

    def __init__(self, target: Target, registry: Registry, name: str) -> None:
        self._target, self._registry, self._name = target, registry, name

    def canary(self, version: str | None, percent: int) -> str:
        """Give a version (None = the candidate) a share of the traffic; return the version.

        Raises VerdictError where it did not pass the gate, or was compared with a version that is not today's champion.
        """
        chosen = version or self._registry.candidate(self._name)
        if chosen is None:
            raise VerdictError(f"{self._name}: expected a candidate; found none. Train one, or name a --version.")
        self.check(chosen)
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
        self._target.promote(chosen)
        self._registry.promote(self._name, chosen)
        return chosen

    def rollback(self) -> str:
        """Undo the canary or the last promotion, whatever the verdict; return the version that no longer serves."""
        return self._target.rollback()

    def _check(self, version: str, champion: str | None = None) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            bundle = self._registry.download(self._name, version, Path(scratch) / "bundle")
            check_verdict(version, bundle, champion)


def check_verdict(version: str, bundle: Path, champion: str | None = None) -> None:
    """Raise VerdictError unless the version in ``bundle`` passed the gate.

    With ``champion`` the verdict must be a comparison with that version. A verdict that names no champion is accepted:
    there was none, or the release was too old to record it.
    """
    verdict = _verdict(json.loads((bundle / "metrics.json").read_text(encoding="utf-8")))
    if verdict is None:
        raise VerdictError(
            f"version {version}: expected the gate's verdict in its bundle; found none. Register it with the training "
            "pipeline, which runs the gate."
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
