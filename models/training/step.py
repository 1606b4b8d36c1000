"""The gradient of one optimiser step: its seeds in parts, over processes and one after the other."""

import torch
from torch import Tensor
from torch.nn import functional

from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker
from models.training.batches import Batches, score
from models.training.config import Precision
from models.training.distributed import Ranks
from models.training.slices import Slices


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
) -> Tensor:
    """Set every ``grad`` to that of the loss of all seeds of ``slices``; answer that loss ().

    ``lag`` (slices,) int64 as in ``Batches.make``. This process computes its run of slices in ``accumulate`` parts.
    Each part's losses are divided by the defined rows of the WHOLE step, task by task: gradients then just add up.
    """
    schema = encoded.graph.schema.seeds
    device = slices.rows.device
    weights = torch.tensor([task.weight for task in schema.tasks], device=device)
    defined = (~torch.isnan(encoded.graph.seeds.labels[slices.rows])).sum(dim=0)
    own, own_lag = _part(slices, lag, ranks.size)[ranks.rank]
    total = torch.zeros((), device=device)
    ranker.zero_grad(set_to_none=True)
    for part, part_lag in _part(own, own_lag, accumulate):
        if not len(part):
            continue
        batch = batches.make(part, lag=part_lag, draw=draw)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = score(ranker, encoded, batch)
        loss = multi_task_loss(logits.float(), batch.labels, weights, defined)
        loss.backward()
        total += loss.detach()
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
