"""Errors of the studies."""


class StudyError(ValueError):
    """Raised when a study cannot run; the message names the thing, what was expected and found, and what to do."""
