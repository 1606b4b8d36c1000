"""Errors of the baselines."""


class FloorError(ValueError):
    """Raised when the rows of a training set cannot be fitted or scored: a column or a window is missing."""


class BaselineError(ValueError):
    """Raised when there is no baseline of that name."""
