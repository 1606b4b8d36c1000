"""``python -m deploy.manifests [FOLDER ...]``: check base, overlays and templates, or kustomizations of your own.

A line per folder; exits with 1 if a document is not valid.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.manifests.check import KUBERNETES, KUSTOMIZE, OVERLAYS, Checked, ManifestError, check_build, check_templates


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the folders; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.manifests", description="Check manifests offline.")
    parser.add_argument("folder", nargs="*", type=Path, help="with a kustomization.yaml (default: all of deploy/)")
    folders: list[Path] = parser.parse_args(arguments).folder
    try:
        found = [check_build(folder) for folder in folders or [KUSTOMIZE / name for name in OVERLAYS]]
        if not folders:
            found.append(check_templates())
    except ManifestError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for checked in found:
        _print(checked)
    for note in sorted({note for checked in found for note in checked.notes}):
        print(note)
    return 1 if any(checked.faults for checked in found) else 0


def _print(checked: Checked) -> None:
    for fault in checked.faults:
        print(f"{checked.source}: {fault}")
    end = f"{len(checked.faults)} faults" if checked.faults else "no fault"
    print(f"{checked.source}: {checked.documents} documents, Kubernetes {KUBERNETES}: {end}")


if __name__ == "__main__":
    sys.exit(main())
