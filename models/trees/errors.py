"""Errors of trees."""


class TreesError(ValueError):
    """Raised for files that are not the trees of a model."""
