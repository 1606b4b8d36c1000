"""Logging of a server: starts, warnings and failures, one line each, without any content of a request."""

import logging
import traceback
import warnings

_OWN = "heliograph"


def configure_logging() -> None:
    """Configure the process's logging. Refused requests are not logged; a failure is logged without its message."""
    from fastapi.exceptions import FastAPIDeprecationWarning
    from kserve.logging import configure_logging as configure

    warnings.simplefilter("ignore", FastAPIDeprecationWarning)  # raised by KServe's own code
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
    """Whether to write a record; the message and values of an exception are removed, as they may hold request data."""
    from serving.server.kserve.errors import response_of

    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None and response_of(error) is not None:
        return False  # the client got an error response, and /metrics counts it
    if error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        record.msg, record.args = f"unexpected {type(error).__name__} at {places}", ()
        record.exc_info = record.exc_text = None
    return True
