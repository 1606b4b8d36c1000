"""From packed rows to what is shown of them as of a moment."""

from collections.abc import Sequence

import numpy as np

from feature_repo.slate.answer import SlateRows, Status, judge
from feature_repo.slate.plan import Plan
from feature_repo.slate.question import Row
from feature_repo.stores.online.packed import unpack
from models.counters.ragged import Ragged


def decode(plan: Plan, rows: Sequence[Row] | None, count: int, as_of: int, latest: int, end: int) -> SlateRows:
    """The answer to a question's rows (see ``Question``); None: the store gave none.

    ``latest``: see ``judge``; ``end``: the latest time that a row can have had by now.
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
        found = unpack(read.layout, some)
        judged = judge(found.found, found.event_time, read.layout.ttl, as_of, latest)
        for key in read.keys:  # where the key itself was not known as of then, the store's answer to it is not either
            if key in plan.sources:
                known = status[plan.sources[key].view] == Status.PRESENT
                judged = np.where(known, judged, np.int8(Status.NOT_FOUND))
        shown = judged == Status.PRESENT
        if not (shown == found.found).all():
            ahead += int((found.event_time > end).sum())
            found = unpack(read.layout, [row if show else None for row, show in zip(some, shown, strict=True)])
        status[read.name] = judged
        event_time[read.name] = np.where(shown, found.event_time, 0)
        values = {name: found.values[name] for name in read.features}
        if not found.complete:
            values = {name: _shown(column, found.valid[name]) for name, column in values.items()}
        columns[read.each].update(values)
        valid.update((name, found.valid[name]) for name in read.features)
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


def _shown(values: np.ndarray | Ragged, valid: np.ndarray) -> np.ndarray | Ragged:
    """Null is NaN or None where the type has it, so that it is not taken for a value."""
    if isinstance(values, Ragged) or values.dtype.kind not in "fO":
        return values
    shown = values.copy()
    shown[~valid] = np.nan if values.dtype.kind == "f" else None
    return shown
