"""One pass over seeds: order, gradients, the optimiser's steps, progress."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from sys import stderr
from time import perf_counter

import torch
from torch import Tensor
from tqdm import tqdm

from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker
from models.training.batches import Batches, random_state
from models.training.config import TrainingConfig
from models.training.distributed import ranks
from models.training.errors import DivergedError
from models.training.recorder import Recorder, recordable
from models.training.slices import cut
from models.training.step import gradient


def run_epoch(
    ranker: Ranker,
    average: Ranker | None,
    encoded: EncodedGraph,
    optimiser: torch.optim.Optimizer,
    rows: Tensor,
    epoch: int,
    config: TrainingConfig,
    limit: int | None,
    name: str | None = None,
) -> dict[str, float]:
    """One pass over the seeds ``rows`` (n,) in random order; answer loss and speed.

    ``average`` follows the weights; ``limit``: the largest fan-out, None = as the schema says; ``name``: on the
    progress bar. Raises DivergedError.
    """
    ranker.train()
    together, device, seed = ranks(), rows.device, config.seed + 1_000_003 * (epoch + 1)
    batches = Batches(encoded, ranker.sequence_length, limit, config.seed, ranker.hops)
    seeds = encoded.graph.seeds
    slices = cut(rows, seeds.member[rows], seeds.time[rows], config.slice, config.slice_hours)
    started, total, done = perf_counter(), 0.0, 0
    with seeded(seed, device), _bar(len(rows), name or f"epoch {epoch + 1}", together.leads) as bar:
        steps = slices.take(torch.randperm(len(slices), device=device)).batches(config.batch_size)
        recorder = None
        if config.record and recordable(encoded.graph.schema, device):
            recorder = Recorder(list(ranker.parameters()), config.batch_size // together.size)
        states = None
        if together.size > 1:  # all processes draw the same states, each its own dropout
            states = torch.Generator(device).manual_seed(seed)
            torch.manual_seed(seed + 7 * (together.rank + 1))
        for step, part in enumerate(steps):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * _schedule((epoch + step / len(steps)) / config.epochs, config)
            seen = random_state(len(part), config.state, device, states)
            draw = epoch * len(steps) + step + 1
            loss = gradient(ranker, encoded, batches, part, seen, draw, config, together, recorder)
            torch.nn.utils.clip_grad_norm_(ranker.parameters(), config.gradient_norm)
            optimiser.step()
            if average is not None:
                _follow(average, ranker, config.averaging, epoch * len(steps) + step)
            value = loss.item()
            if not math.isfinite(value):
                raise DivergedError(
                    f"loss in epoch {epoch + 1}, step {step + 1}: expected a finite number; found {value}: lower "
                    f"learning_rate ({config.learning_rate})"
                )
            count = len(part.rows)
            total, done = total + value * count, done + count
            bar.set_postfix(loss=f"{total / done:.4f}", refresh=False)
            bar.update(count)
    return {"train_loss": total / done, "seeds_per_second": done / (perf_counter() - started)}


@torch.no_grad()
def _follow(average: Ranker, ranker: Ranker, decay: float, step: int) -> None:
    """Move the average towards the weights; in the first steps faster, so that it forgets where they began."""
    decay = min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(ranker.parameters()), 1 - decay)


def _schedule(progress: float, config: TrainingConfig) -> float:
    """Share of the peak learning rate: a linear rise, then a linear fall to zero; ``progress`` 0 to 1."""
    if progress < config.warmup:
        return (progress + 1e-3) / (config.warmup + 1e-3)
    return max(0.0, (1 - progress) / (1 - config.warmup))


def new_optimiser(ranker: Ranker, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over all weights."""
    return torch.optim.AdamW(ranker.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's random state set to ``seed`` inside the block and as it was after it."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _bar(total: int, name: str, shown: bool) -> tqdm:
    interval = 0.2 if stderr.isatty() else 10.0
    return tqdm(total=total, desc=name, unit=" seeds", unit_scale=True, mininterval=interval, disable=not shown)
