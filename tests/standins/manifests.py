"""The manifests in deploy/, as documents."""

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def documents(folder: str) -> list[dict[str, Any]]:
    """The documents of a folder's resources, as its kustomization.yaml lists them."""
    found = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    files = [DEPLOY / folder / name for name in found["resources"] if not name.startswith("..")]
    return [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
