"""Errors of adapters and canonical tables."""


class SourceError(ValueError):
    """Raised when raw data or an adapter's tables cannot be used; nothing has been written."""


class TableError(RuntimeError):
    """Raised when a folder of canonical tables is missing, damaged, or lacks the requested table."""
