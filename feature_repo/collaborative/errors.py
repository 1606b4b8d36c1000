"""Errors of collaborative snapshots."""


class SnapshotError(ValueError):
    """Raised for a block of the spec that its data do not allow."""
