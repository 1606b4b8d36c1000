"""Training of the ranker itself in N processes against one: the same losses, and how many times the speed.

Each training is what the step `train` starts (``models.training.launch``): with NCCL where there are two GPUs, else
with gloo on CPUs, where only the losses are compared. The batch is the same, so N processes compute the same sums.
Dropout is off and the member states are all as of the seeds, since N processes draw other random numbers than one.

    python -m benchmarks.ranker_processes --graph FOLDER --repeat 20    # of build_graph, such as the demo's
    python -m benchmarks.ranker_processes                               # a random graph
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from benchmarks.table import show
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from models.training.job import Job
from models.training.launch import launch

SAME = 1e-3
"""Largest difference of an epoch's mean loss: three digits after the point."""
Epochs = list[dict[str, float]]


def trained(job: Job, processes: int, device: str) -> Epochs:
    """The metrics of each epoch of the selection's training.

    In a process of its own: a training of one process is of the process that starts it, and would keep its memory of
    the GPU, which the next one needs.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_trained, job, processes, device).result()


def _trained(job: Job, processes: int, device: str) -> Epochs:
    found: Epochs = []

    def log(metrics: dict[str, float], epoch: int) -> None:
        print(f"{processes} process(es), epoch {epoch}: {metrics}", file=sys.stderr, flush=True)
        found.append(metrics)

    launch(job, processes, device, log)
    return found


def repeated(graph: TemporalGraph, times: int) -> TemporalGraph:
    """The graph with every seed of the train window ``times`` times: a small graph has too few steps per epoch."""
    seeds = graph.seeds
    rows = torch.repeat_interleave(torch.where(seeds.window == seeds.windows.index("train"), times, 1))
    fields: dict[str, Any] = {name: values[rows] for name, values in tensors_of(seeds).items()}
    return replace(graph, seeds=replace(seeds, **fields, keys=seeds.keys.take(pa.array(rows.numpy()))))


def seeds_per_second(epochs: Epochs) -> float:
    """The median over epochs but the first, which also compiles and records."""
    return statistics.median(epoch["seeds_per_second"] for epoch in epochs[1:])


def main() -> int:
    """Measure; return 1 where a bar does not hold."""
    cuda = torch.cuda.device_count() > 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, help="folder of a stored graph; default: a random one")
    parser.add_argument("--members", type=int, default=200_000 if cuda else 200, help="of the random graph")
    parser.add_argument("--repeat", type=int, default=1, help="times that each seed of an epoch is trained on")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if cuda else "cpu")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16_384 if cuda else 512, help="seeds of a step, of all processes")
    parser.add_argument("--epochs", type=int, default=2, help="at least 2: the first is not measured")
    parser.add_argument("--width", type=int, default=256 if cuda else 32)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--times", type=float, default=1.7 if cuda else 0.0, help="speed to reach, times one process")
    options = parser.parse_args()
    model = ModelConfig(width=options.width, heads=8, layers=2, activities=50, dropout=0.0, id_dropout=0.0)
    training = TrainingConfig(
        epochs=options.epochs,
        patience=options.epochs,
        batch_size=options.batch,
        precision=options.precision,
        state="as_of",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = folder / "graph"
        if options.graph is None:
            world = fake_graph(options.members, options.members // 2)
        else:
            world = TemporalGraph.load(options.graph)
        repeated(world, options.repeat).save(graph)
        one = trained(Job(graph, folder / "one" / "model", model, training), 1, options.device)
        many = trained(Job(graph, folder / "many" / "model", model, training), options.processes, options.device)
    pairs = list(zip(one, many, strict=True))
    difference = max(abs(first["train_loss"] - second["train_loss"]) for first, second in pairs)
    speeds = seeds_per_second(one), seeds_per_second(many)
    primary = next(task.name for task in world.schema.seeds.tasks if task.primary)
    auc = f"validate_auc_{primary}"
    figures: dict[str, float | int | str] = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "CPU",
        "processes": options.processes,
        "batch": options.batch,
        "width": options.width,
        "seeds": world.counts()["seeds"]["train"] * options.repeat,
        "one_seeds_per_second": speeds[0],
        "seeds_per_second": speeds[1],
        "times_one": speeds[1] / speeds[0],
        "one_losses": ", ".join(f"{epoch['train_loss']:.5f}" for epoch in one),
        "losses": ", ".join(f"{epoch['train_loss']:.5f}" for epoch in many),
        "largest_difference_of_losses": f"{difference:.2g}",
        f"one_{auc}": f"{one[-1][auc]:.4f}",
        auc: f"{many[-1][auc]:.4f}",
    }
    bars = {"same_losses": difference <= SAME}
    if options.times:
        bars[f"at_least_{options.times:g}_times"] = speeds[1] >= options.times * speeds[0]
    return show("ranker_processes", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
