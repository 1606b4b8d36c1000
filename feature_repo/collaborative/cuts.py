"""Which snapshots an ingest needs: all that a row of the seed windows reads, and the newest ones for serving."""

from typing import NamedTuple

import numpy as np

from models import clock
from models.midnights import midnights
from models.spec import Spec
from models.spec.base import LONGEST_DAYS
from models.time_units import DAY


class Cut(NamedTuple):
    """A snapshot to build, and the impressions whose members read it (microseconds UTC)."""

    cut: int
    first: int
    """When the snapshot becomes visible."""
    last: int | None
    """Before this, impressions read it, at their own or at their frozen time; None: it serves, for all members."""


def needed_cuts(spec: Spec, delay: int, end: int) -> list[Cut]:
    """The cuts, oldest first, for events up to ``end``; ``delay`` from a cut until it is visible (microseconds).

    The newest is the last midnight before now, at most the first one that sees all data and windows. It is built before
    it is visible, so that it can serve from that moment on. Until then the one that is visible at the end of the data,
    or now, serves: from it on all are for all members.
    """
    graph, train, test = (spec.span(name) for name in ("graph", "train", "test"))
    lag = round(min(spec.training.member_lag_days, LONGEST_DAYS) * DAY)
    earliest = max(train.start - lag, graph.start)
    latest = max(end, test.end)
    every = np.array(midnights(earliest - delay - DAY, latest + 2 * DAY, spec.timezone), np.int64)
    every = every[: int(np.searchsorted(every, latest, side="left")) + 1]
    every = every[every <= (now := clock.now())]
    if not len(every):
        return []
    visible = every + delay
    # A pipeline materializes up to the end of old data; where the data are new, and by the command, up to now.
    serving = max(int(np.searchsorted(visible, min(now, end), side="right")) - 1, 0)
    first = max(int(np.searchsorted(visible, earliest, side="left")) - 1, 0)
    # Rows of a window for evaluation are frozen at its start, rows of train by at most the lag.
    longest = max(lag, *(span.end - span.start for span in map(spec.span, ("validate", "gate", "test"))))
    older = [
        Cut(int(every[place]), int(visible[place]), int(visible[place + 1]) + longest + 1)
        for place in range(first, serving)
        if visible[place] < test.end
    ]
    return older + [Cut(int(every[place]), int(visible[place]), None) for place in range(serving, len(every))]
