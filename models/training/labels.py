"""Which labels a fit may read: those that were known before its windows ended. Nothing else decides it.

A window's last rows settle after its end, in the days that are kept for judging the fit. Training, early stopping, the
choice among trials and calibration all take their rows from here; for frames there is ``models.filters.settled``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.graph.store import TemporalGraph
from models.training.errors import NoSeedsError


def known(graph: TemporalGraph, windows: Sequence[str]) -> Tensor:
    """(n,) int64: the seeds of the windows whose outcome had settled before the last of the windows ended."""
    rows = torch.cat([graph.seeds.rows(window) for window in windows])
    end = max(graph.schema.window(window).end for window in windows)
    return rows[graph.seeds.settled[rows] < end]


def labelled(graph: TemporalGraph, windows: Sequence[str]) -> Tensor:
    """(n,) int64: the known seeds of the windows that have a label for any task. Raises NoSeedsError without one."""
    rows = known(graph, windows)
    rows = rows[~torch.isnan(graph.seeds.labels[rows]).all(dim=1)]
    if not len(rows):
        raise NoSeedsError(
            f"seeds of the windows {', '.join(windows)}: expected one or more with a label; found none: check the "
            "spec's windows against the time range of the impressions"
        )
    return rows
