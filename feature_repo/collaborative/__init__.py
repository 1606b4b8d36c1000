"""Collaborative snapshots: item and member rows as of each cut, computed from the canonical tables."""

from feature_repo.collaborative.build import snapshots
from feature_repo.collaborative.errors import SnapshotError

__all__ = ["SnapshotError", "snapshots"]
