"""The gradient of one optimizer step: its seeds are split over processes and into parts, one after the other."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from models.configs.training import TrainingConfig
from models.nn.encoded import EncodedGraph
from models.nn.family import Family
from models.nn.sequential import SequentialRanker
from models.training.batches import Batch, Batches, Tokens, activity_age, decode, encode
from models.training.distributed import Ranks
from models.training.recorder import Recorder
from models.training.shared_history import SharedBatch, SharedBatches
from models.training.slices import Slices

_STATES_PER_SEED = 200
"""About the number of node states in a seed's trees and activities: with more in the graph, most would be computed in
vain."""


class Step:
    """Computes the gradient of a ranker on the seeds of one graph, step by step."""

    def __init__(
        self,
        ranker: Family,
        batches: Batches | SharedBatches,
        config: TrainingConfig,
        ranks: Ranks,
        recorder: Recorder | None = None,
        weights: tuple[float, ...] | None = None,
    ) -> None:
        """``recorder``: replays recorded kernels for full steps in one part; None = no recording. ``weights``: of the
        tasks' losses; None = the schema's."""
        self.weights = weights or tuple(task.weight for task in batches.encoded.graph.schema.seeds.tasks)
        self.ranker, self.batches, self.config, self.ranks = ranker, batches, config, ranks
        self.recorder = recorder if config.accumulate == 1 else None
        self.encoded = batches.encoded

    def gradient(self, slices: Slices, member_states: Tensor, draw: int) -> Tensor:
        """Set every ``grad`` to that of the loss of all seeds of ``slices``; returns that loss ().

        ``member_states`` (slices,) int64 and ``draw`` as in ``Batches.make``. This process computes its run of slices
        in ``accumulate`` parts. Each part's losses are divided by the WHOLE step's number of defined labels, task by
        task, so that gradients just add up.
        """
        defined = (~torch.isnan(self.encoded.graph.seeds.labels[slices.rows])).sum(dim=0)
        own, own_states = _parts(slices, member_states, self.ranks.size)[self.ranks.rank]
        recorder = self.recorder if self.recorder and self.recorder.fits(own) else None

        def backward(part: Slices, part_states: Tensor, defined: Tensor) -> Tensor:
            batch = self.batches.make(part, part_states, draw=draw)
            loss = self._loss(batch, part, defined, len(slices), recorder is not None)
            loss.backward()
            return loss.detach()

        self.ranker.zero_grad(set_to_none=True)
        if recorder:
            total = recorder.run(backward, own, own_states, defined)
        else:
            total = torch.zeros((), device=member_states.device)
            for part, part_states in _parts(own, own_states, self.config.accumulate):
                if len(part):
                    total += backward(part, part_states, defined)
        return self.ranks.sum_gradients(list(self.ranker.parameters()), total)

    def _loss(self, batch: Batch | SharedBatch, part: Slices, defined: Tensor, slices: int, recorded: bool) -> Tensor:
        """The loss () of a part; ``defined`` (tasks,) and ``slices``: defined labels and slices of the whole step."""
        ranker, encoded, device = self.ranker, self.encoded, batch.labels.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            table = ranker.input_table(encoded) if recorded or _all_inputs(encoded, part) else None
            long_term = None
            if isinstance(batch, SharedBatch):
                assert isinstance(ranker, SequentialRanker)
                logits = batch.logits(ranker, encoded, table)
            else:
                tokens = encode(ranker, encoded, batch, table)
                logits = decode(ranker, batch, tokens)
                long_term = None if ranker.long_term is None else self._long_term_loss(batch, tokens, table)
        weights = _on_device(self.weights, device)
        loss = multi_task_loss(logits.float(), batch.labels, weights, defined, ranker.task_spread)
        if long_term is not None:
            loss = loss + self.config.long_term_weight * long_term.float() / slices
        return loss

    def _long_term_loss(self, batch: Batch, tokens: Tokens, table: Tensor | None) -> Tensor:
        """The loss () over member states, one row each: seeds of a slice must not be each other's negatives."""
        activities, time = batch.activities, batch.member_time
        activity_tokens = tokens.activities
        if batch.slice is not None:
            activity_tokens = self.ranker.activity_tokens(self.encoded, activities, time, table)
        return self.ranker.long_term_loss(activity_tokens, activity_age(activities, time), activities.mask)


def multi_task_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, defined: Tensor | None = None, spread: Tensor | None = None
) -> Tensor:
    """Weighted sum () over tasks of the mean binary cross-entropy over the rows on which the task is defined.

    ``logits``, ``labels`` (batch, tasks) float32, NaN where undefined; ``weights`` (tasks,); ``defined`` (tasks,): the
    number of rows to divide by where the batch is part of a larger one; None = the batch's own. ``spread`` (tasks,) s:
    a task's loss L counts as exp(-s) L + s / 2 (Kendall, Gal, Cipolla 2018, equation 10); 0 changes nothing.
    """
    known = ~torch.isnan(labels)
    losses = functional.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none") * known
    rows = known.sum(dim=0)
    whole = rows if defined is None else defined
    found = losses.sum(dim=0) / whole.clamp(min=1)
    if spread is not None:  # each part of a step contributes its share of s / 2
        found = (-spread).exp() * found + spread / 2 * rows / whole.clamp(min=1)
    return (found * weights).sum()


def _parts(slices: Slices, member_states: Tensor, count: int) -> list[tuple[Slices, Tensor]]:
    if count == 1:
        return [(slices, member_states)]
    parts = slices.parts(count)
    return list(zip(parts, member_states.split([len(part) for part in parts]), strict=True))


def _all_inputs(encoded: EncodedGraph, part: Slices) -> bool:
    """Whether to compute the inputs of all node states: a GPU then need not report which ones the batch uses."""
    return part.rows.is_cuda and encoded.states <= _STATES_PER_SEED * len(part.rows)


@cache
def _on_device(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)
