"""Errors of the pipelines' command."""


class RunError(RuntimeError):
    """Raised when a local run cannot start or one of its steps failed; the message says what to do next."""


class SubmitError(RuntimeError):
    """Raised when a cluster refuses a pipeline; the message names the address and the response."""


class SettingsError(ValueError):
    """Raised for settings of a cluster's tasks that cannot be used; the message names file or option and value."""


class ScheduleError(RuntimeError):
    """Raised for a schedule that cannot be read, kept or run; the message says what to do next."""


BUSY = 75
"""Exit status of the command after a BusyError; the usual number for "try again later"."""


class BusyError(RunError):
    """Raised when another run holds the state folder: the same command works once it has ended."""
