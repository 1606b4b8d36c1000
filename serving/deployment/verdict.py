"""The gate's verdict of a version (``monitoring.gate.GateVerdict``), as in its bundle: metrics.json, entry ``gate``."""

import json
from pathlib import Path
from typing import Any

from serving.deployment.errors import VerdictError

_PASSED = "promote"


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
