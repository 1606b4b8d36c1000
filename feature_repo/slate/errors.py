"""Errors of the slate reader."""


class SlateFeatureError(ValueError):
    """Raised when a reader is asked for features that a slate cannot have: unknown, offline only, or of one name."""


class SlateKeyError(ValueError):
    """Raised when a request's keys are not what the views are keyed by: one is missing, or of a wrong type."""


class SlateUnavailableError(RuntimeError):
    """Raised when the online store is down or later than the deadline, and ``fallback`` is "error"."""
