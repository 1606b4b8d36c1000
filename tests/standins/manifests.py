"""Accounts and Roles of deploy/kustomize, as documents: what the API server of the tests knows of it."""

from pathlib import Path
from typing import Any

import yaml

KUSTOMIZE = Path(__file__).resolve().parents[2] / "deploy" / "kustomize"
_KINDS = {"ServiceAccount", "Role", "RoleBinding"}


def access(folder: str) -> list[dict[str, Any]]:
    """The ServiceAccounts, Roles and RoleBindings of a folder and of those that its kustomization.yaml names."""
    return [document for document in _documents(KUSTOMIZE / folder) if document["kind"] in _KINDS]


def _documents(place: Path) -> list[dict[str, Any]]:
    if place.is_dir():
        found = yaml.safe_load((place / "kustomization.yaml").read_text(encoding="utf-8"))
        return [document for name in found.get("resources", []) for document in _documents(place / name)]
    return list(yaml.safe_load_all(place.read_text(encoding="utf-8")))
