"""Errors of the pipelines' command."""


class RunError(RuntimeError):
    """Raised when a local run cannot start or one of its steps failed; the message says what to do next."""


class SubmitError(RuntimeError):
    """Raised when a cluster refuses a pipeline; the message names the address and the response."""
