"""``python -m deploy.audit`` (``make audit``): bill of materials, licenses and known vulnerabilities of what is pinned.

Writes build/audit/sbom.cdx.json and build/audit/licenses.tsv. Prints the licenses as a table, then what is wrong, and
JSON as the last line; 1 if anything is. Where the database of vulnerabilities cannot be reached, a line says so.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from deploy.audit.licenses import Licensed, breaches, installed
from deploy.audit.sbom import bill
from deploy.audit.vulnerabilities import AuditError, UnreachableError, known
from deploy.images.engine import ROOT
from deploy.images.lock import LOCKS, SOURCES, locked
from deploy.images.pins import pins
from models.version import VERSION

FOLDER = ROOT / "build" / "audit"
_CONSTRAINTS = ("constraints.txt", "constraints-train.txt")


def main() -> int:
    """Write, print; 1 if a license or a vulnerability is not accepted, or pip-audit fails."""
    pinned = pins([ROOT / name for name in _CONSTRAINTS])
    found = installed(pinned)
    images = {
        name: locked((ROOT / LOCKS / f"{name}.txt").read_text(encoding="utf-8")) for name in SOURCES if name != "build"
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = bill(VERSION, pinned, {one.name: one.license for one in found}, images)
    (FOLDER / "sbom.cdx.json").write_text(text, encoding="utf-8")
    rows = "".join(f"{one.name}\t{one.version}\t{one.license}\n" for one in found)
    (FOLDER / "licenses.tsv").write_text(f"name\tversion\tlicense\n{rows}", encoding="utf-8")
    wrong = breaches(found)
    _print(found, len(pinned), wrong)
    vulnerabilities, broken = _vulnerabilities(pinned)
    licenses = {"read": len(found), "not_installed": len(pinned) - len(found), "refused": len(wrong)}
    figures = {"components": len(pinned), "licenses": licenses, "vulnerabilities": vulnerabilities}
    print(json.dumps({"audit": VERSION, **figures, "broken": len(wrong) + broken}))
    return 1 if wrong or broken else 0


def _print(found: list[Licensed], pinned: int, wrong: list[str]) -> None:
    counts = Counter(one.license for one in found)
    print(f"{'packages':>8}  license")
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"{count:>8}  {name}")
    if pinned > len(found):
        print(f"{pinned - len(found):>8}  not installed here: license not read")
    print(*(f"license: {line}" for line in wrong), FOLDER / "sbom.cdx.json", sep="\n")


def _vulnerabilities(pinned: Mapping[str, str]) -> tuple[dict[str, Any], int]:
    """The figures of the audit, and how much of it is wrong. What could not be looked up is counted, as not checked."""
    try:
        answer = known(pinned)
    except UnreachableError:
        print("vulnerabilities: NOT CHECKED, the database cannot be reached from here (pip-audit, OSV)")
        return {"checked": 0, "found": None}, 0
    except AuditError as error:
        print(f"vulnerabilities: NOT CHECKED. {error}")
        return {"checked": 0, "found": None}, 1
    checked = len(pinned) - len(answer.skipped)
    lines = [f"vulnerability: {line}" for line in answer.found] or [
        f"vulnerabilities: none known of {checked} packages"
    ]
    print(*lines, *(f"not checked: {line}" for line in answer.skipped), sep="\n")
    return {"checked": checked, "found": len(answer.found)}, len(answer.found)


if __name__ == "__main__":
    sys.exit(main())
