"""Errors of the stream."""


class StreamError(ValueError):
    """Raised when pushed rows cannot be used: an unknown table, a missing column, a wrong value. Nothing is written."""
