"""The gradient of one optimiser step: its seeds in parts, over processes and one after the other."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker
from models.training.batches import Batches, activity_age, decode, encode
from models.training.config import TrainingConfig
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
    seen: Tensor,
    draw: int,
    config: TrainingConfig,
    ranks: Ranks,
    recorder: Recorder | None = None,
) -> Tensor:
    """Set every ``grad`` to that of the loss of all seeds of ``slices``; answer that loss ().

    ``seen`` (slices,) int64 as in ``Batches.make``. This process computes its run of slices in ``accumulate`` parts.
    Each part's losses are divided by the defined rows of the WHOLE step, task by task: gradients then just add up.
    ``recorder``: does what is in one part by replaying what it recorded.
    """
    defined = (~torch.isnan(encoded.graph.seeds.labels[slices.rows])).sum(dim=0)
    own, own_seen = _part(slices, seen, ranks.size)[ranks.rank]
    recorded = recorder is not None and config.accumulate == 1 and recorder.fits(own)

    def backward(part: Slices, part_seen: Tensor, defined: Tensor) -> Tensor:
        batch = batches.make(part, part_seen, draw=draw)
        weights = _task_weights(encoded, part_seen.device)
        with torch.autocast(part_seen.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            table = ranker.input_table(encoded) if recorded or _all_inputs(encoded, part) else None
            tokens = encode(ranker, encoded, batch, table)
            logits = decode(ranker, batch, tokens)
            long_term = None
            if ranker.long_term is not None:
                state = batch.activities  # one row per state of a member: slices must not be their own negatives
                told = tokens.activities
                if batch.slice is not None:
                    told = ranker.activity_tokens(encoded, state, batch.member_time, table)
                long_term = ranker.long_term_loss(told, activity_age(state, batch.member_time), state.mask)
        loss = multi_task_loss(logits.float(), batch.labels, weights, defined, ranker.task_spread)
        if long_term is not None:
            loss = loss + config.long_term_weight * long_term.float() / len(slices)
        loss.backward()
        return loss.detach()

    ranker.zero_grad(set_to_none=True)
    if recorder and recorded:
        total = recorder.run(backward, own, own_seen, defined)
    else:
        total = torch.zeros((), device=seen.device)
        for part, part_seen in _part(own, own_seen, config.accumulate):
            if len(part):
                total += backward(part, part_seen, defined)
    return ranks.sum_gradients(list(ranker.parameters()), total)


def multi_task_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, defined: Tensor | None = None, spread: Tensor | None = None
) -> Tensor:
    """Weighted sum over tasks of the mean binary cross-entropy over the rows on which the task is defined.

    ``logits``, ``labels`` (batch, tasks), NaN where undefined; ``weights`` (tasks,); ``defined`` (tasks,): by how many
    rows to divide where these are a part of a larger batch; None = as many as are defined here. ``spread`` (tasks,) s:
    each task's loss L counts as exp(-s) L + s / 2 (Kendall, Gal, Cipolla 2018, equation 10); 0 changes nothing.
    """
    known = ~torch.isnan(labels)
    losses = functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none") * known
    rows = known.sum(dim=0)
    whole = rows if defined is None else defined
    found = losses.sum(dim=0) / whole.clamp(min=1)
    if spread is not None:  # the parts of a step each carry their share of s / 2
        found = (-spread).exp() * found + spread / 2 * rows / whole.clamp(min=1)
    return (found * weights).sum()


def _part(slices: Slices, seen: Tensor, count: int) -> list[tuple[Slices, Tensor]]:
    if count == 1:
        return [(slices, seen)]
    parts = slices.parts(count)
    return list(zip(parts, seen.split([len(part) for part in parts]), strict=True))


def _all_inputs(encoded: EncodedGraph, part: Slices) -> bool:
    """Whether to compute the inputs of all node states: a GPU does not wait to hear which ones a batch meets."""
    return part.rows.is_cuda and encoded.states <= _STATES_PER_SEED * len(part.rows)


def _task_weights(encoded: EncodedGraph, device: torch.device) -> Tensor:
    """(tasks,) float32."""
    return _on_device(tuple(task.weight for task in encoded.graph.schema.seeds.tasks), device)


@cache
def _on_device(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)
