"""Labels that a fit may read: those known before its windows ended. This module alone decides it for seeds.

A window's last rows settle after its end, in the days kept for evaluating the fit. Training, early stopping, the choice
among trials and calibration all take their rows from here; for frames there is ``models.filters.settled``.

A click settles in minutes, its absence only when its time has passed: of the rows shown just before the end, mostly
clicks would be known, and a model calibrated on them would predict too many. So the rows that choose and calibrate a
model also have to be shown early enough: as long before the end as outcomes take to settle.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.graph.store import TemporalGraph
from models.settling import settling_delay
from models.training.errors import NoSeedsError


def known(graph: TemporalGraph, windows: Sequence[str], twins: bool = False) -> Tensor:
    """(n,) int64: the seeds of the windows with which a model is chosen and calibrated.

    They settled before the last of the windows ended, and were shown at least the settling delay before that. Cold
    twins are among them only with ``twins``: they calibrate the cold path, and choose nothing.
    """
    rows, end = _settled(graph, windows, twins)
    train = graph.seeds.rows("train")
    delay = settling_delay((graph.seeds.settled[train] - graph.seeds.time[train]).cpu().numpy())
    return rows[graph.seeds.time[rows] < end - delay]


def labelled(graph: TemporalGraph, windows: Sequence[str], twins: bool = False) -> Tensor:
    """(n,) int64: the seeds to train on: settled before the last of the windows ended, with a label for any task.

    Cold twins are among them only with ``twins``. Raises NoSeedsError if there is none.
    """
    rows, _ = _settled(graph, windows, twins)
    rows = rows[~torch.isnan(graph.seeds.labels[rows]).all(dim=1)]
    if not len(rows):
        raise NoSeedsError(
            f"seeds of the windows {', '.join(windows)}: expected one or more with a label; found none: check the "
            "spec's windows against the time range of the impressions"
        )
    return rows


def _settled(graph: TemporalGraph, windows: Sequence[str], twins: bool) -> tuple[Tensor, int]:
    """(n,) int64: the seeds of the windows that settled before the last of the windows ended; and that end."""
    rows = torch.cat([graph.seeds.rows(window, twins) for window in windows])
    end = max(graph.schema.window(window).end for window in windows)
    return rows[graph.seeds.settled[rows] < end], end
