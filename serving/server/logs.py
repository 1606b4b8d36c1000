"""What a server writes to its log: starts, warnings, failures, one line each; nothing of what was asked."""

import logging
import traceback
import warnings

_OWN = "heliograph"


def configure_logging() -> None:
    """Set it up. A refused request is told to its sender only, and a failure names its place, not its message."""
    from fastapi.exceptions import FastAPIDeprecationWarning
    from kserve.logging import configure_logging as configure

    warnings.simplefilter("ignore", FastAPIDeprecationWarning)  # of KServe's own making
    handler = {"class": "logging.StreamHandler", "formatter": "line", "filters": ["quiet"]}
    configure(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
            "filters": {"quiet": {"()": lambda: without_payload}},
            "handlers": {"stderr": handler},
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            "loggers": {_OWN: {"level": "INFO"}, "uvicorn.error": {"level": "INFO"}},
        }
    )


def without_payload(record: logging.LogRecord) -> bool:
    """Whether to write a record; one of a failure loses its message and values, which may hold what was asked."""
    from grpc_interceptor.exceptions import GrpcException
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady

    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, InvalidInput | ModelNotFound | ModelNotReady | GrpcException):
        return False  # told to the sender, and counted at /metrics
    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        record.msg, record.args = f"unexpected {type(error).__name__} at {places}", ()
        record.exc_info = record.exc_text = None
    return True
