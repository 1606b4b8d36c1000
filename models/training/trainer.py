"""``Trainer``: one model's weights, optimizer and moving average, and the epochs that change them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from sys import stderr
from time import perf_counter

import torch
from torch import Tensor
from tqdm import tqdm

from models.configs.training import TrainingConfig
from models.graph.impressions import Impressions
from models.nn.encoded import EncodedGraph
from models.nn.family import Family
from models.training.batches import Batches, draw_member_states
from models.training.distributed import ranks
from models.training.errors import DivergedError
from models.training.groups import parameter_groups, set_learning_rates
from models.training.recorder import Recorder, recordable
from models.training.shared_history import UNLIMITED, SharedBatches, shares_history
from models.training.slices import Slices, cut
from models.training.step import Step


class Trainer:
    """Trains one ranker in place, epoch by epoch, with AdamW."""

    def __init__(self, ranker: Family, config: TrainingConfig, average: Family | None = None) -> None:
        """``average``: follows the weights as their moving average (``config.averaging``); None = no average."""
        self.ranker, self.config, self.average = ranker, config, average
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(parameter_groups(ranker, config), fused=True)

    def run_epoch(
        self,
        encoded: EncodedGraph,
        rows: Tensor,
        epoch: int,
        largest_fan_out: int | None = None,
        name: str | None = None,
        weights: tuple[float, ...] | None = None,
    ) -> dict[str, float]:
        """One pass over the seeds ``rows`` (n,) int64 in random order; returns train_loss and seeds_per_second.

        ``epoch`` counts from 0; ``largest_fan_out``: None = as in the schema; ``name``: on the progress bar;
        ``weights``: of the tasks' losses, None = the schema's.
        Raises DivergedError if the loss is not finite.
        """
        self.ranker.train()
        config, processes, device = self.config, ranks(), rows.device
        seed, seeds = epoch_seed(config.seed, epoch), encoded.graph.seeds
        shared = shares_history(self.ranker.config, config)
        most, hours = (config.shared_history, UNLIMITED) if shared else (config.slice, config.slice_hours)
        slices = cut(rows, seeds.acting(rows), seeds.time[rows], most, hours)
        batches = self._batches(encoded, largest_fan_out, shared)
        started, total, done = perf_counter(), 0.0, 0
        with seeded(seed, device), _bar(len(rows), name or f"epoch {epoch + 1}", processes.leads) as bar:
            steps = slices.take(torch.randperm(len(slices), device=device)).batches(config.batch_size)
            recorder = None
            if config.record and self.ranker.recordable and recordable(encoded.graph.schema, device):
                recorder = Recorder(list(self.ranker.parameters()), config.batch_size // processes.size)
            generator = None
            if processes.size > 1:  # all processes draw the same member states, but each its own dropout
                generator = torch.Generator(device).manual_seed(seed)
                torch.manual_seed(seed + 7 * (processes.rank + 1))
            step = Step(self.ranker, batches, config, processes, recorder, weights)
            for place, part in enumerate(steps):
                member_states = draw_member_states(len(part), config.state, device, generator)
                self._set_learning_rate((epoch + place / len(steps)) / config.epochs)
                value = self._update(step, part, member_states, epoch * len(steps) + place)
                if not math.isfinite(value):
                    raise DivergedError(
                        f"loss in epoch {epoch + 1}, step {place + 1}: expected a finite number; found {value}: lower "
                        f"learning_rate ({config.learning_rate})"
                    )
                count = len(part.rows)
                total, done = total + value * count, done + count
                bar.set_postfix(loss=f"{total / done:.4f}", refresh=False)
                bar.update(count)
        return {"train_loss": total / done, "seeds_per_second": done / (perf_counter() - started)}

    def _batches(self, encoded: EncodedGraph, largest_fan_out: int | None, shared: bool) -> Batches | SharedBatches:
        ranker, source = self.ranker, self.ranker.activity_source(encoded.graph)
        if shared and isinstance(source, Impressions):
            return SharedBatches(encoded, source, ranker.sequence_length)
        return Batches(encoded, ranker.sequence_length, largest_fan_out, self.config.seed, ranker.hops, source)

    def _set_learning_rate(self, progress: float) -> None:
        set_learning_rates(self.optimizer, learning_rate_share(progress, self.config.warmup))

    def _update(self, step: Step, part: Slices, member_states: Tensor, number: int) -> float:
        """The ``number``-th step of the training, from 0: gradient, clipping, optimizer, average; returns the loss."""
        loss = step.gradient(part, member_states, draw=number + 1)
        torch.nn.utils.clip_grad_norm_(self.ranker.parameters(), self.config.gradient_norm)
        self.optimizer.step()
        if self.average is not None:
            follow(self.average, self.ranker, self.config.averaging, number)
        return loss.item()


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of an epoch's order, dropout and member states: another one for each epoch, from 0."""
    return seed + 1_000_003 * (epoch + 1)


@torch.no_grad()
def follow(average: Family, ranker: Family, decay: float, step: int) -> None:
    """Move the moving average toward the weights after the ``step``-th step, from 0.

    The decay is (1 + step) / (10 + step) at most, so that the average soon forgets the untrained weights.
    """
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(ranker.parameters()), 1 - decay)


def learning_rate_share(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: a linear rise over ``warmup``, then a linear fall to zero at ``progress`` 1."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return max(0.0, (1 - progress) / (1 - warmup))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's random numbers inside the block; restore their state after it."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _bar(total: int, name: str, shown: bool) -> tqdm:
    interval = 0.2 if stderr.isatty() else 10.0
    return tqdm(total=total, desc=name, unit=" seeds", unit_scale=True, mininterval=interval, disable=not shown)
