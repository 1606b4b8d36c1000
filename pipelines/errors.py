"""Errors of the pipelines' command."""


class RunError(RuntimeError):
    """Raised when a local run cannot start, or when one of its steps failed; the message says what to do next."""


class SubmitError(RuntimeError):
    """Raised when a cluster does not take a pipeline; the message names the address and the answer."""
