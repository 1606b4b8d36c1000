"""Errors of the baselines."""


class FloorError(ValueError):
    """Raised if the rows of a training set cannot be fitted or scored: a column or a window is missing."""


class BaselineError(ValueError):
    """Raised for an unknown name of a baseline."""
