"""Errors of a training that one process writes down and another raises again."""

import time
from typing import Any

from models.configs.errors import ConfigError
from models.graph.errors import GraphError
from models.system import system_error
from models.training.errors import TrainingError

OWN = (TrainingError, ConfigError, GraphError)
"""Errors whose message is all that a user needs; the same inputs raise them again."""


def report(error: Exception) -> dict[str, Any]:
    """What JSON can hold of an error: kind, message, whether the system raised it, and when (seconds)."""
    system = system_error(error)
    return {
        "kind": type(error).__name__,
        "message": system or str(error),
        "system": system is not None,
        "time": time.time(),
    }


def own_error(told: dict[str, Any]) -> Exception | None:
    """The error of a report if it is one of ``OWN``, else None."""
    kinds = {kind.__name__: kind for base in OWN for kind in _with_children(base)}
    return kinds[told["kind"]](told["message"]) if told["kind"] in kinds else None


def _with_children(error: type[Exception]) -> list[type[Exception]]:
    return [error, *(found for child in error.__subclasses__() for found in _with_children(child))]
