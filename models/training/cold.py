"""Which rows are cold: nobody was shown their item before. One rule for seeds and for served candidates.

They have a calibration of their own (``Calibration.cold``). A row is cold where the count of all exposures of its item
(``SeedSchema.exposures``) is 0 or missing, or where the item has no state: it is not in the graph, or has no vectors.
"""

import numpy as np
import torch
from torch import Tensor

from models.calibration import Calibration
from models.graph.store import TemporalGraph


def cold_seeds(graph: TemporalGraph, rows: Tensor, exposures: str | None) -> np.ndarray:
    """(n,) bool of the seeds ``rows`` (n,) int64; a twin whose item is read as new is cold.

    ``exposures``: that of the MODEL's schema, as in serving; None = the item's state alone decides.
    """
    seeds, schema = graph.seeds, graph.schema.seeds
    cold = seeds.cold_item[rows] | (seeds.item[rows] < 0)
    if exposures is not None:
        numbers = [column.name for column in schema.features if column.kind == "number"]
        counts = seeds.numbers[rows, numbers.index(exposures)]
        cold = cold | ~(torch.nan_to_num(counts) > 0)
    return cold.cpu().numpy()


def fit_calibration(graph: TemporalGraph, rows: Tensor, logits: np.ndarray) -> Calibration:
    """Fitted on the seeds ``rows`` (n,) int64 and their ``logits`` (n, tasks): cold ones and twins have their own.

    Twins of members calibrate nothing: rows of new members have the common one.
    """
    tasks = [task.name for task in graph.schema.seeds.tasks]
    labels, twin = graph.seeds.labels[rows].cpu().numpy(), graph.seeds.cold[rows].cpu().numpy()
    cold = cold_seeds(graph, rows, graph.schema.seeds.exposures)
    if graph.seeds.cold_member is not None:
        cold &= ~graph.seeds.cold_member[rows].cpu().numpy()
    fitted = Calibration.fit(tasks, logits[~twin], labels[~twin]).with_cold(logits[cold], labels[cold])
    rates = {task.name: task.real_rate for task in graph.schema.seeds.sampled}
    return fitted.at_rates(rates, labels[~twin]) if rates else fitted


def never_shown(exposures: object, rows: int) -> np.ndarray:
    """(rows,) bool: where ``exposures``, a value each or one for all, is 0 or missing (None, NaN)."""
    values = np.atleast_1d(np.asarray(np.nan if exposures is None else exposures, dtype=np.float32))
    return np.broadcast_to(~(values > 0), (rows,))
