"""What one read of a slate gives: columns, and why a row is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np


class Status(IntEnum):
    """Whether a view had a row for a key as of the read. The first three are Feast's ``FieldStatus``, by number."""

    PRESENT = 1
    NOT_FOUND = 3
    OUTSIDE_MAX_AGE = 4
    """The row had outlived the view's TTL."""
    AFTER_AS_OF = 5
    """The store's row is later than the moment asked for: the row that stood there then is gone."""


@dataclass(frozen=True)
class SlateRows:
    """The features of one slate as of one moment.

    A view keyed by what the candidates share has one row (in ``shared``); the others have one a candidate, in the
    order asked. Of a row that is not PRESENT no value is shown: it reads as null, which is NaN, None, 0, False or no
    elements, by the feature's type, and false in ``valid``.
    """

    shared: Mapping[str, Any]
    """By feature: (1,) numpy, or a ``Ragged`` of one row for lists."""
    candidates: Mapping[str, Any]
    """By feature: (candidates,) numpy, or a ``Ragged`` of as many rows."""
    valid: Mapping[str, np.ndarray]
    """By feature: (rows,) bool, false where the value is null or the row is missing."""
    status: Mapping[str, np.ndarray]
    """By view: (rows,) int8 of ``Status``."""
    event_time: Mapping[str, np.ndarray]
    """By view: (rows,) int64 microseconds UTC of the rows that are PRESENT, 0 elsewhere."""
    as_of: int
    """Microseconds UTC: the moment that the rows were judged at."""
    fallback: bool
    """Whether the store did not answer in time, and everything is shown as missing."""
    ahead: int = 0
    """Rows that are missing since they lie ahead of the clock: of a wrong time, or this machine's clock is behind."""


def judge(found: np.ndarray, event_time: np.ndarray, ttl: int | None, as_of: int, latest: int) -> np.ndarray:
    """The status of rows: (rows,) bool and int64 microseconds to (rows,) int8.

    The bounds are Feast's historical retrieval's: a row is visible at t if t - ttl <= event time <= t. No TTL, or one
    of 0, never expires. Rows up to ``latest`` are shown: t itself, or later where clocks may differ.
    """
    status = np.full(len(found), Status.PRESENT, np.int8)
    if ttl:
        status[event_time < as_of - ttl] = Status.OUTSIDE_MAX_AGE
    status[event_time > latest] = Status.AFTER_AS_OF
    status[~found] = Status.NOT_FOUND
    return status
