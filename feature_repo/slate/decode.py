"""Decode packed rows into the result of a slate read."""

from collections.abc import Sequence

import numpy as np

from feature_repo.packed.pack import unpack
from feature_repo.slate.plan import SlatePlan
from feature_repo.slate.query import PackedRow
from feature_repo.slate.rows import SlateRows, Status, row_status
from models.counters.ragged import Ragged


def decode(
    plan: SlatePlan, rows: Sequence[PackedRow] | None, count: int, as_of: int, latest: int, end: int
) -> SlateRows:
    """Decode the rows of a query as of a time; None: the store did not respond.

    ``latest``: see ``row_status``; ``end``: the latest time that a row can have by the clock. All in microseconds UTC.
    """
    columns: dict[bool, dict[str, np.ndarray | Ragged]] = {False: {}, True: {}}
    valid: dict[str, np.ndarray] = {}
    status: dict[str, np.ndarray] = {}
    event_time: dict[str, np.ndarray] = {}
    start = ahead = 0
    for read in plan.reads:
        length = count if read.each else 1
        some = [None] * length if rows is None else rows[start : start + length]
        start += length
        unpacked = unpack(read.layout, some)
        found = row_status(unpacked.found, unpacked.event_time, read.layout.ttl, as_of, latest)
        for key in read.keys:  # a row found by a key that was not known as of then is not known either
            if key in plan.sources:
                known = status[plan.sources[key].view] == Status.PRESENT
                found = np.where(known, found, np.int8(Status.NOT_FOUND))
        present = found == Status.PRESENT
        if not (present == unpacked.found).all():
            ahead += int((unpacked.event_time > end).sum())
            unpacked = unpack(read.layout, [row if show else None for row, show in zip(some, present, strict=True)])
        status[read.name] = found
        event_time[read.name] = np.where(present, unpacked.event_time, 0)
        values = {name: unpacked.values[name] for name in read.features}
        if not unpacked.complete:
            values = {name: _with_nulls(column, unpacked.valid[name]) for name, column in values.items()}
        columns[read.each].update(values)
        valid.update((name, unpacked.valid[name]) for name in read.features)
    return SlateRows(
        shared=columns[False],
        candidates=columns[True],
        valid=valid,
        status=status,
        event_time=event_time,
        as_of=as_of,
        fallback=rows is None,
        ahead=ahead,
    )


def _with_nulls(values: np.ndarray | Ragged, valid: np.ndarray) -> np.ndarray | Ragged:
    """Null as NaN or None if the type has it, so that it is not mistaken for a value."""
    if isinstance(values, Ragged) or values.dtype.kind not in "fO":
        return values
    shown = values.copy()
    shown[~valid] = np.nan if values.dtype.kind == "f" else None
    return shown
