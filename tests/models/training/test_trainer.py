"""One epoch against plain formulas: learning rates, clipping, AdamW, the moving average, seeds."""

from collections.abc import Iterator
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.sample import Sampler
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.training import trainer as module
from models.training.batches import FRESH, FROZEN, STALE, draw_member_states
from models.training.distributed import Ranks
from models.training.errors import DivergedError
from models.training.slices import Slices, one_each
from models.training.trainer import Trainer, _bar, epoch_seed, follow, learning_rate_share, seeded
from tests.models.training.small import small_graph

CONFIG = TrainingConfig(epochs=2, batch_size=32, learning_rate=0.1, weight_decay=0.2, warmup=0.25, gradient_norm=1.0)
SLICES, FRESH_STATES = one_each(torch.arange(2)), torch.zeros(2, dtype=torch.int64)


class TinyRanker(nn.Linear):
    """Two weights and a bias in place of the ranker: the epoch reads nothing else of it."""

    sequence_length, hops, recordable = 3, None, True
    config, activity_source = ModelConfig(), staticmethod(Sampler)

    def __init__(self) -> None:
        super().__init__(2, 1)
        with torch.no_grad():
            self.weight.copy_(torch.tensor([[0.5, -1.0]]))
            self.bias.fill_(2.0)


class FakeStep:
    """Gradients out of a list in place of the model's; keeps what it was given."""

    def __init__(self, ranker: nn.Module, *given: Any) -> None:
        self.ranker, self.given = ranker, given
        self.rows: list[Tensor] = []
        self.member_states: list[Tensor] = []
        self.draws: list[int] = []
        self.noise: list[float] = []
        self.rates: list[float] = []
        self.gradients: Iterator[list[float]] = iter(())
        self.loss = 1.0

    def gradient(self, slices: Slices, member_states: Tensor, draw: int) -> Tensor:
        self.rows.append(slices.rows)
        self.member_states.append(member_states)
        self.draws.append(draw)
        self.noise.append(float(torch.rand(())))
        numbers = next(self.gradients, [0.0, 0.0, 0.0])
        self.ranker.weight.grad = torch.tensor([numbers[:2]])
        self.ranker.bias.grad = torch.tensor(numbers[2:])
        return torch.tensor(self.loss)


@pytest.fixture(scope="module")
def encoded() -> EncodedGraph:
    graph = small_graph()
    return encode_graph(Encoding.fit(graph, graph.schema.window("train").end), graph.schema, graph)


def epochs(
    encoded: EncodedGraph,
    monkeypatch: pytest.MonkeyPatch,
    config: TrainingConfig = CONFIG,
    count: int = 1,
    **given: Any,
) -> list[FakeStep]:
    """The steps of each of the first ``count`` epochs, with the learning rate of every step."""
    trainer, steps = Trainer(TinyRanker(), config), []  # type: ignore[arg-type]

    def new(*arguments: Any) -> FakeStep:
        steps.append(FakeStep(*arguments))
        return steps[-1]

    update = trainer._update

    def spy(step: FakeStep, *arguments: Any) -> float:
        step.rates.append(trainer.optimizer.param_groups[0]["lr"])
        return update(step, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Step", new)
    monkeypatch.setattr(trainer, "_update", spy)
    for epoch in range(count):
        trainer.run_epoch(encoded, encoded.graph.seeds.rows("train"), epoch, **given)
    return steps


@pytest.mark.parametrize(
    ("progress", "warmup", "share"),
    [
        *((0.0, 0.25, 0.001 / 0.251), (0.125, 0.25, 0.126 / 0.251), (0.25, 0.25, 1.0), (0.625, 0.25, 0.5)),
        *((1.0, 0.25, 0.0), (0.0, 0.0, 1.0), (0.5, 0.0, 0.5), (1.5, 0.25, 0.0)),
    ],
)
def test_the_learning_rate_rises_and_falls_linearly(progress: float, warmup: float, share: float) -> None:
    assert learning_rate_share(progress, warmup) == pytest.approx(share)


def test_every_step_has_its_learning_rate(encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = epochs(encoded, monkeypatch, count=2)
    steps = -(-len(encoded.graph.seeds.rows("train")) // CONFIG.batch_size)
    progress = np.arange(2 * steps) / (2 * steps)
    expected = np.where(progress < 0.25, (progress + 0.001) / 0.251, (1 - progress) / 0.75) * 0.1
    np.testing.assert_allclose(one.rates + two.rates, expected)


def test_epochs_have_different_orders_and_noise_and_draws(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = encoded.graph.seeds.rows("train")
    one, two = epochs(encoded, monkeypatch, count=2)
    again = epochs(encoded, monkeypatch)[0]
    other = epochs(encoded, monkeypatch, replace(CONFIG, seed=8))[0]
    orders = [torch.cat(step.rows).tolist() for step in (one, two, again, other)]
    assert all(sorted(order) == rows.tolist() for order in orders)
    assert orders[0] == orders[2]
    assert orders[0] not in (orders[1], orders[3])
    assert orders[0] != rows.tolist()
    assert one.noise == again.noise
    assert not set(one.noise) & set(two.noise + other.noise)
    assert one.draws + two.draws == list(range(1, len(one.draws) + len(two.draws) + 1))
    assert {len(part) for part in one.rows[:-1]} == {CONFIG.batch_size}
    assert all(torch.equal(a, b) for a, b in zip(one.member_states, again.member_states, strict=True))
    assert epoch_seed(7, 0) != epoch_seed(7, 1) != epoch_seed(8, 0)


def test_batches_have_the_fan_out_and_length_of_the_training(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches, config, processes, recorder, weights = epochs(encoded, monkeypatch, largest_fan_out=1)[0].given
    assert batches.activities == TinyRanker.sequence_length
    tree = batches.sampler.tree("member", torch.tensor([0]), torch.tensor([2**60]))
    assert tree.branches["clicked"].mask.shape[1] == 1
    assert (config, processes.size, recorder, weights) == (CONFIG, 1, None, None)


def test_weights_follow_adamw_with_clipped_gradients() -> None:
    """Loshchilov, Hutter 2019, algorithm 2, over weights and biases; gradients of a norm above 1 are scaled to it."""
    gradients = np.array([[6.0, 0.0, 8.0], [0.3, 0.4, 0.0], [-3.0, 0.0, 4.0]])
    theta, m, v = np.array([0.5, -1.0, 2.0]), np.zeros(3), np.zeros(3)
    ranker = TinyRanker()
    trainer, step = Trainer(ranker, CONFIG), FakeStep(ranker)  # type: ignore[arg-type]
    step.gradients = iter(gradients.tolist())
    for number, gradient in enumerate(gradients):
        clipped = gradient * min(1.0, 1.0 / np.linalg.norm(gradient))
        m, v = 0.9 * m + 0.1 * clipped, 0.999 * v + 0.001 * clipped**2
        adapted = m / (1 - 0.9 ** (number + 1)) / (np.sqrt(v / (1 - 0.999 ** (number + 1))) + 1e-8)
        theta = theta - 0.1 * (0.2 * theta + adapted)
        assert trainer._update(step, SLICES, FRESH_STATES, number) == 1.0  # type: ignore[arg-type]
        found = torch.cat([ranker.weight.flatten(), ranker.bias]).detach().numpy()
        np.testing.assert_allclose(found, theta, rtol=1e-5, atol=1e-6)


def test_the_average_follows_faster_at_first() -> None:
    average, ranker = TinyRanker(), TinyRanker()
    with torch.no_grad():
        ranker.weight += 1.0
    for step, decay in ((0, 1 / 10), (40, 41 / 50), (10_000, 0.9)):
        start = average.weight.detach().clone()
        follow(average, ranker, 0.9, step)  # type: ignore[arg-type]
        torch.testing.assert_close(average.weight, decay * start + (1 - decay) * ranker.weight)
    follow(average, ranker, 0.0, 5)  # type: ignore[arg-type]
    assert torch.equal(average.weight, ranker.weight)


def test_the_average_is_moved_by_every_step() -> None:
    ranker = TinyRanker()
    average = deepcopy(ranker)
    trainer, step = Trainer(ranker, replace(CONFIG, averaging=0.5), average), FakeStep(ranker)  # type: ignore[arg-type]
    step.gradients = iter([[1.0, 1.0, 1.0]] * 2)
    expected = average.weight.detach().clone()
    for number, decay in enumerate((1 / 10, 2 / 11)):
        trainer._update(step, SLICES, FRESH_STATES, number)  # type: ignore[arg-type]
        expected = decay * expected + (1 - decay) * ranker.weight.detach()
        torch.testing.assert_close(average.weight, expected)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_epoch(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    monkeypatch.setattr(FakeStep, "gradient", lambda *_, **__: torch.tensor(loss))
    with pytest.raises(
        DivergedError, match=r"loss in epoch 1, step 1: expected a finite number.*learning_rate \(0.1\)"
    ):
        epochs(encoded, monkeypatch)


def test_the_loss_of_an_epoch_is_its_mean_over_seeds(encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = encoded.graph.seeds.rows("train")[:40]  # steps of 32 and 8
    losses = iter([1.0, 6.0])
    trainer = Trainer(TinyRanker(), CONFIG)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "Step", FakeStep)
    monkeypatch.setattr(trainer, "_update", lambda *_: next(losses))
    found = trainer.run_epoch(encoded, rows, 0)
    assert found["train_loss"] == pytest.approx((32 * 1.0 + 8 * 6.0) / 40)
    assert found["seeds_per_second"] > 0


def test_member_states_are_mixed_one_half_and_two_quarters() -> None:
    cpu = torch.device("cpu")
    drawn = draw_member_states(4000, "mixed", cpu, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.25, 0.25], abs=0.03)
    assert (FRESH, STALE, FROZEN) == (0, 1, 2)
    assert set(draw_member_states(5, "frozen", cpu).tolist()) == {FROZEN}
    assert set(draw_member_states(5, "as_of", cpu).tolist()) == {FRESH}
    assert len(draw_member_states(0, "mixed", cpu)) == 0


def test_a_seeded_block_restores_the_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with seeded(1, torch.device("cpu")):
        inside = torch.rand(2)
    with seeded(1, torch.device("cpu")):
        assert torch.equal(torch.rand(2), inside)
    assert torch.equal(torch.rand(2), expected)


def test_seeds_of_epochs_are_far_apart() -> None:
    assert [epoch_seed(7, 0), epoch_seed(7, 2), epoch_seed(8, 0)] == [1_000_010, 3_000_016, 1_000_011]


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_draw_the_same_states_and_other_noise(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    alone = epochs(encoded, monkeypatch)[0]
    monkeypatch.setattr(module, "ranks", lambda: Ranks(rank, 2))
    step = epochs(encoded, monkeypatch)[0]
    assert [part.tolist() for part in step.rows] == [part.tolist() for part in alone.rows]
    generator, cpu = torch.Generator().manual_seed(1_000_010), torch.device("cpu")
    for rows, states in zip(step.rows, step.member_states, strict=True):
        assert torch.equal(states, draw_member_states(len(rows), "mixed", cpu, generator))
    torch.manual_seed(1_000_010 + 7 * (rank + 1))
    assert step.noise == [float(torch.rand(())) for _ in step.noise]


@pytest.mark.parametrize(("record", "can", "walks"), [(1, 1, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1)])
def test_a_recorder_takes_a_process_s_share_of_full_batches(
    encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch, record: int, can: int, walks: int
) -> None:
    monkeypatch.setattr(module, "recordable", lambda schema, device: can)
    monkeypatch.setattr(TinyRanker, "recordable", not walks)
    monkeypatch.setattr(module, "ranks", lambda: Ranks(1, 2))
    recorder = epochs(encoded, monkeypatch, replace(CONFIG, record=bool(record)))[0].given[3]
    assert (recorder is not None) == bool(record and can and not walks)
    if recorder:
        assert (recorder.size, [len(parameter) for parameter in recorder.parameters]) == (16, [1, 1])


def test_an_epoch_shows_its_progress_and_speed(encoded: EncodedGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    class Bar:
        def set_postfix(self, loss: str, refresh: bool) -> None:
            shown.append((loss, refresh))

        def update(self, count: int) -> None:
            shown.append(count)

    def bar(*given: Any) -> Any:
        shown.append(given)
        return nullcontext(Bar())

    losses, clock, ranker = iter([1.0, 6.0, 2.0]), iter([10.0, 14.0, 20.0, 22.0]), TinyRanker().eval()
    trainer = Trainer(ranker, CONFIG)  # type: ignore[arg-type]
    assert trainer.optimizer.defaults["fused"]
    monkeypatch.setattr(module, "Step", FakeStep)
    monkeypatch.setattr(module, "_bar", bar)
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(trainer, "_update", lambda *_: next(losses))
    rows = encoded.graph.seeds.rows("train")
    assert trainer.run_epoch(encoded, rows[:40], 1) == {"train_loss": 2.0, "seeds_per_second": 10.0}
    assert trainer.run_epoch(encoded, rows[:8], 0, name="history") == {"train_loss": 2.0, "seeds_per_second": 4.0}
    first = [(40, "epoch 2", True), ("1.0000", False), 32, ("2.0000", False), 8]
    assert shown == [*first, (8, "history", True), ("2.0000", False), 8]
    assert ranker.training


def test_the_bar_counts_seeds_in_the_process_that_leads() -> None:
    with _bar(5, "epoch 1", shown=True) as bar:
        assert (bar.total, bar.desc, bar.unit, bar.unit_scale, bar.disable) == (5, "epoch 1", " seeds", True, False)
    with _bar(5, "epoch 1", shown=False) as bar:
        assert bar.disable
