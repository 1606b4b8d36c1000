"""Collaborative snapshots: item and member rows as of each cut, computed from the canonical tables."""

from feature_repo.collaborative.build import snapshots

__all__ = ["snapshots"]
