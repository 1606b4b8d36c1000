"""Errors of the studies."""


class StudyError(ValueError):
    """Raised when a study cannot be made; the message says the thing, what was expected and found, what to do."""
