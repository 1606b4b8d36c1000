"""The gradient of one optimiser step: its seeds in parts, over processes and one after the other."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker
from models.training.batches import Batches, score
from models.training.config import Precision
from models.training.distributed import Ranks
from models.training.recorder import Recorder
from models.training.slices import Slices

_STATES_PER_SEED = 200
"""About as many node states as a seed's trees and activities have places: beyond, most would be computed in vain."""


def gradient(
    ranker: Ranker,
    encoded: EncodedGraph,
    batches: Batches,
    slices: Slices,
    lag: Tensor,
    draw: int,
    accumulate: int,
    precision: Precision,
    ranks: Ranks,
    recorder: Recorder | None = None,
) -> Tensor:
    """Set every ``grad`` to that of the loss of all seeds of ``slices``; answer that loss ().

    ``lag`` (slices,) int64 as in ``Batches.make``. This process computes its run of slices in ``accumulate`` parts.
    Each part's losses are divided by the defined rows of the WHOLE step, task by task: gradients then just add up.
    ``recorder``: does what is in one part by replaying what it recorded.
    """
    defined = (~torch.isnan(encoded.graph.seeds.labels[slices.rows])).sum(dim=0)
    own, own_lag = _part(slices, lag, ranks.size)[ranks.rank]

    def backward(part: Slices, part_lag: Tensor, defined: Tensor) -> Tensor:
        batch = batches.make(part, lag=part_lag, draw=draw)
        with torch.autocast(part_lag.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            table = ranker.input_table(encoded) if _all_inputs(encoded, part) else None
            logits = score(ranker, encoded, batch, table)
        loss = multi_task_loss(logits.float(), batch.labels, _task_weights(encoded, part_lag.device), defined)
        loss.backward()
        return loss.detach()

    ranker.zero_grad(set_to_none=True)
    if recorder and accumulate == 1 and recorder.fits(own):
        total = recorder.run(backward, own, own_lag, defined)
    else:
        total = torch.zeros((), device=lag.device)
        for part, part_lag in _part(own, own_lag, accumulate):
            if len(part):
                total += backward(part, part_lag, defined)
    return ranks.sum_gradients(list(ranker.parameters()), total)


def multi_task_loss(logits: Tensor, labels: Tensor, weights: Tensor, defined: Tensor | None = None) -> Tensor:
    """Weighted sum over tasks of the mean binary cross-entropy over the rows on which the task is defined.

    ``logits``, ``labels`` (batch, tasks), NaN where undefined; ``weights`` (tasks,); ``defined`` (tasks,): by how many
    rows to divide where these are a part of a larger batch; None = as many as are defined here.
    """
    known = ~torch.isnan(labels)
    losses = functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none") * known
    rows = known.sum(dim=0) if defined is None else defined
    return (losses.sum(dim=0) / rows.clamp(min=1) * weights).sum()


def _part(slices: Slices, lag: Tensor, count: int) -> list[tuple[Slices, Tensor]]:
    if count == 1:
        return [(slices, lag)]
    parts = slices.parts(count)
    return list(zip(parts, lag.split([len(part) for part in parts]), strict=True))


def _all_inputs(encoded: EncodedGraph, part: Slices) -> bool:
    """Whether to compute the inputs of all node states: a GPU does not wait to hear which ones a batch meets."""
    return part.rows.is_cuda and encoded.states <= _STATES_PER_SEED * len(part.rows)


def _task_weights(encoded: EncodedGraph, device: torch.device) -> Tensor:
    """(tasks,) float32."""
    return _on_device(tuple(task.weight for task in encoded.graph.schema.seeds.tasks), device)


@cache
def _on_device(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)
