"""Result of a slate read: feature columns, and why a row is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np


class Status(IntEnum):
    """Whether a view had a row for a key as of the read. The first three equal Feast's ``FieldStatus``."""

    PRESENT = 1
    NOT_FOUND = 3
    OUTSIDE_MAX_AGE = 4
    """The row had outlived the view's TTL."""
    AFTER_AS_OF = 5
    """The stored row is later than the requested time; the row of that time was overwritten."""


@dataclass(frozen=True)
class SlateRows:
    """The features of one slate as of one time.

    Views keyed only by shared keys have one row, in ``shared``; the others have one row per candidate, in the order of
    the request. Values of a row that is not PRESENT are null. Null reads as NaN, None, 0, False or an empty list,
    depending on the feature's type, and as false in ``valid``.
    """

    shared: Mapping[str, Any]
    """By feature: (1,) numpy, or a ``Ragged`` of one row for lists."""
    candidates: Mapping[str, Any]
    """By feature: (candidates,) numpy, or a ``Ragged`` of as many rows."""
    valid: Mapping[str, np.ndarray]
    """By feature: (rows,) bool, false if the value is null or the row is missing."""
    status: Mapping[str, np.ndarray]
    """By view: (rows,) int8 of ``Status``."""
    event_time: Mapping[str, np.ndarray]
    """By view: (rows,) int64 microseconds UTC, 0 for rows that are not PRESENT."""
    as_of: int
    """The time of the read in microseconds UTC."""
    fallback: bool
    """Whether the store did not respond in time, so that everything is missing."""
    ahead: int = 0
    """Rows missing because they are ahead of the clock: their time is wrong, or this machine's clock is behind."""


def row_status(found: np.ndarray, event_time: np.ndarray, ttl: int | None, as_of: int, latest: int) -> np.ndarray:
    """Status of rows, from (rows,) bool and (rows,) int64 microseconds: (rows,) int8.

    The bounds are those of Feast's historical retrieval: a row is visible at t if t - ttl <= event time <= t. Without a
    TTL, or with 0, rows never expire. Rows up to ``latest`` are visible: t, or later if clocks may differ.
    """
    status = np.full(len(found), Status.PRESENT, np.int8)
    if ttl:
        status[event_time < as_of - ttl] = Status.OUTSIDE_MAX_AGE
    status[event_time > latest] = Status.AFTER_AS_OF
    status[~found] = Status.NOT_FOUND
    return status
