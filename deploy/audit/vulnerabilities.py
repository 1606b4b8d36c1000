"""Known vulnerabilities of pinned packages, by pip-audit, from OSV's database."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ACCEPTED: dict[str, str] = {}
"""Identity of a vulnerability that does not concern us: the reason."""
_UNREACHABLE = ("ConnectionError", "Could not connect", "ReadTimeout")
_SECONDS = 15


class AuditError(Exception):
    """pip-audit ended in a way that says nothing of the packages."""


class UnreachableError(AuditError):
    """The database cannot be reached from here."""


@dataclass(frozen=True)
class Known:
    """What the database knows: a sentence for each vulnerability, and for each package that it could not look up."""

    found: list[str]
    skipped: list[str]


def known(pinned: Mapping[str, str], service: str = "") -> Known:
    """Look every pinned package up; ``service`` is another address of OSV's interface.

    Raises UnreachableError if there is no answer, and AuditError if pip-audit fails otherwise.
    """
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--format=json", "--desc=off"]
    command += ["--no-deps", "--disable-pip", "--progress-spinner=off", f"--timeout={_SECONDS}"]
    command += [f"--osv-url={service}"] if service else []
    command += [f"--ignore-vuln={one}" for one in ACCEPTED]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "pinned.txt"
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pinned.items())), encoding="utf-8")
        done = subprocess.run([*command, "-r", str(wanted)], capture_output=True, text=True, check=False)
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        kind = UnreachableError if any(word in done.stderr for word in _UNREACHABLE) else AuditError
        raise kind(f"pip-audit: exit status {done.returncode}: {last}") from None
    return _read(answers)


def _read(answers: list[dict]) -> Known:
    found, skipped = [], []
    for one in answers:
        if "skip_reason" in one:
            skipped.append(f"{one['name']}: {one['skip_reason']}")
        for vulnerability in one.get("vulns", ()):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            found.append(f"{one['name']} {one['version']}: {vulnerability['id']}; fixed in {fixed}")
    return Known(found, skipped)
