from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.configs.training import TrainingConfig
from models.graph.fakes import HOUR
from models.nn.encoded import EncodedGraph
from models.nn.sequential import SequentialRanker
from models.training import shared_history as module
from models.training.batches import FRESH, FROZEN, STALE, Batches, score
from models.training.distributed import ranks
from models.training.shared_history import UNLIMITED, SharedBatches, shares_history
from models.training.slices import Slices, cut, one_each
from models.training.step import Step
from models.training.trainer import Trainer
from tests.models.nn.test_sequential import CONFIG, ready

TRAINING = TrainingConfig(epochs=1, batch_size=64, shared_history=8, seed=3)
WHOLE = 200
"""More tokens than any member has."""


def slices_of(encoded: EncodedGraph, rows: Tensor, most: int) -> Slices:
    seeds = encoded.graph.seeds
    return cut(rows, seeds.member[rows], seeds.time[rows], most, UNLIMITED)


def both(
    encoded: EncodedGraph, ranker: SequentialRanker, slices: Slices, states: Tensor, lag: int = 0
) -> tuple[Tensor, Tensor]:
    """Logits (n, T) of the seeds of ``slices``: with shared passes, and each row by itself."""
    source, count = ranker.activity_source(encoded.graph), ranker.sequence_length
    shared = SharedBatches(encoded, source, count).make(slices, states, lag).logits(ranker, encoded)
    rows = Batches(encoded, count, hops=0, source=source).make(one_each(slices.rows), states[slices.of], lag)
    return shared, score(ranker, encoded, rows)


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("lag", [0, 30 * HOUR])
@torch.inference_mode()
def test_a_shared_pass_gives_the_logits_of_each_row_alone(most: int, lag: int) -> None:
    encoded, ranker = ready(replace(CONFIG, impressions=WHOLE))
    slices = slices_of(encoded, encoded.graph.seeds.rows("train"), most)
    states = torch.arange(len(slices)) % 3
    assert {FRESH, STALE, FROZEN} >= set(states.tolist())
    torch.testing.assert_close(*both(encoded, ranker, slices, states, lag), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_in_one_layer_every_row_sees_as_many_tokens_as_alone() -> None:
    # Without positions: a place counts the strictly earlier tokens, of which a tie at the oldest one has fewer alone.
    encoded, ranker = ready(replace(CONFIG, impressions=2, layers=1, position_encoding="none"))
    slices = slices_of(encoded, encoded.graph.seeds.rows("train"), 16)
    states = torch.full((len(slices),), FRESH)
    torch.testing.assert_close(*both(encoded, ranker, slices, states), atol=1e-5, rtol=0)


def test_a_member_with_very_many_tokens_does_not_widen_a_batch_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BETWEEN", 1)
    encoded, ranker = ready(replace(CONFIG, impressions=2))
    slices = slices_of(encoded, encoded.graph.seeds.rows("train"), 1000)
    batch = SharedBatches(encoded, ranker.activity_source(encoded.graph), 4).make(slices)
    assert batch.activities.mask.shape[1] <= 4 + 1 + 4 * int(slices.offsets.diff().max())
    assert batch.logits(ranker, encoded).isfinite().all()


@torch.inference_mode()
def test_what_comes_later_changes_no_row() -> None:
    encoded, ranker = ready(replace(CONFIG, impressions=2))
    rows = encoded.graph.seeds.rows("train")
    slices = slices_of(encoded, rows, 16)
    states = torch.full((len(slices),), FRESH)
    found, _ = both(encoded, ranker, slices, states)
    seeds, time = encoded.graph.seeds, encoded.graph.seeds.time[slices.rows]
    cut_at = int(time.float().median())
    labels = torch.where((seeds.settled >= cut_at).unsqueeze(1), 1 - seeds.labels, seeds.labels)
    changed = replace(encoded, graph=replace(encoded.graph, seeds=replace(seeds, labels=labels)))
    other, _ = both(changed, ranker, slices, states)
    assert torch.equal(found[time <= cut_at], other[time <= cut_at])
    assert not torch.equal(found, other)


def test_the_gradient_is_that_of_rows_with_passes_of_their_own() -> None:
    encoded, ranker = ready(replace(CONFIG, impressions=WHOLE, dropout=0.0, id_dropout=0.0))
    source, rows = ranker.activity_source(encoded.graph), encoded.graph.seeds.rows("train")[:50]
    slices, config = slices_of(encoded, rows, 8), replace(TRAINING, accumulate=2)
    shared = Step(ranker, SharedBatches(encoded, source, ranker.sequence_length), config, ranks())
    loss = shared.gradient(slices, torch.full((len(slices),), FRESH), draw=1)
    gradients = [None if p.grad is None else p.grad.clone() for p in ranker.parameters()]
    batches = Batches(encoded, ranker.sequence_length, hops=0, source=source)
    states = torch.full((len(rows),), FRESH)
    expected = Step(ranker, batches, TRAINING, ranks()).gradient(one_each(slices.rows), states, draw=1)
    torch.testing.assert_close(loss, expected)
    for one, parameter in zip(gradients, ranker.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, atol=1e-5, rtol=1e-3)


def test_an_epoch_lowers_the_loss_and_sharing_depends_on_the_positions() -> None:
    encoded, ranker = ready(CONFIG)
    trainer = Trainer(ranker, replace(TRAINING, epochs=3, learning_rate=0.01))
    rows = encoded.graph.seeds.rows("train")
    losses = [trainer.run_epoch(encoded, rows, epoch)["train_loss"] for epoch in range(3)]
    assert losses[-1] < losses[0]
    assert shares_history(CONFIG, TRAINING)
    assert not shares_history(CONFIG, replace(TRAINING, shared_history=1))
    assert not shares_history(replace(CONFIG, position_encoding="learned"), TRAINING)
