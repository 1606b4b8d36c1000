"""Errors of the slate reader."""


class SlateFeatureError(ValueError):
    """Raised for features that a slate cannot read: unknown, offline only, or with the same name in two views."""


class SlateKeyError(ValueError):
    """Raised when a request's keys do not match the views' join keys: one is missing, or of a wrong type."""


class SlateUnavailableError(RuntimeError):
    """Raised when the online store is down or exceeds the deadline, and ``fallback`` is "error"."""
