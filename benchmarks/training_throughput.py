"""Training throughput (seeds/s) of a two-layer GraphSAGE on temporal trees, end to end: sample, gather, train.

Workload: 1 M members, 0.5 M items, three timed edge types with 20 M edges each, sampled in both directions; the most
recent [20, 10] neighbors per edge type strictly before the seed (1,860 places per seed); features and model of width
128. On a GPU, features are bfloat16 and a step is one CUDA graph; on a CPU the default is 2 % of the size, batch 512.

    python -m benchmarks.training_throughput
    torchrun --nproc-per-node 2 -m benchmarks.training_throughput     # replicated graph, one all-reduce a step
"""

import argparse
import math
import os
import statistics
import sys
from collections.abc import Callable
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import pyg_seeds_per_second
from benchmarks.random_world import random_seeds, random_world
from benchmarks.table import show
from models.graph.sample import Sampler
from models.nn.sage import TreeSage

WIDTH = 128
FAN_OUT = (20, 10)


class Work:
    """The graph, the model and one training step over fixed buffers."""

    def __init__(self, scale: float, batch: int, device: torch.device, rank: int, ranks: int) -> None:
        self.members, items, edges = (int(scale * full) for full in (1_000_000, 500_000, 20_000_000))
        self.batch, self.device, self.ranks = batch, device, ranks
        self.graph = random_world(self.members, items, edges, types=3, fan_out=FAN_OUT, device=str(device))
        self.sampler = Sampler(self.graph)
        precision = torch.bfloat16 if device.type == "cuda" else torch.float32
        generator = torch.Generator(device=device).manual_seed(0)
        self.tables = {
            name: torch.randn(count, WIDTH, device=device, generator=generator).to(precision)
            for name, count in (("member", self.members), ("item", items))
        }
        torch.manual_seed(0)  # all ranks start from the same weights
        self.sage = TreeSage(self.graph.schema, {"member": WIDTH, "item": WIDTH}, WIDTH).to(device)
        self.head = nn.Linear(WIDTH, 1).to(device)
        parameters = [*self.sage.parameters(), *self.head.parameters()]
        # All gradients in one buffer, for a single all-reduce.
        self.gradients = torch.zeros(sum(p.numel() for p in parameters), device=device)
        start = 0
        for parameter in parameters:
            parameter.grad = self.gradients[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        cuda = device.type == "cuda"
        self.optimiser = torch.optim.AdamW(parameters, lr=1e-3, fused=True, capturable=cuda)
        self.loss = torch.compile(self._loss) if cuda else self._loss
        self.seeds = [*random_seeds(self.members, 64 * batch, str(device), seed=rank)]
        self.seeds.append((torch.rand(64 * batch, device=device, generator=generator) < 0.3).float())
        self.buffers = [values[:batch].clone() for values in self.seeds]

    def feed(self, step: int) -> None:
        """Copy the step's seeds into the buffers; the order is shuffled every 64 steps."""
        place = step % 64
        if place == 0:
            order = torch.randperm(64 * self.batch, device=self.device)
            self.seeds = [values[order] for values in self.seeds]
        for buffer, values in zip(self.buffers, self.seeds, strict=True):
            buffer.copy_(values[place * self.batch : (place + 1) * self.batch])

    def learn(self) -> Tensor:
        """Run one optimizer step on the buffers; return the loss."""
        self.gradients.zero_()
        loss = self.loss(*self.buffers)
        loss.backward()
        if self.ranks > 1:
            torch.distributed.all_reduce(self.gradients)
            self.gradients.div_(self.ranks)
        self.optimiser.step()
        return loss.detach()

    def draw(self) -> Tensor:
        """Only sample the trees; return a sum over all of them, so that no work is optimized away."""
        tree = self.sampler.tree("member", self.buffers[0], self.buffers[1])
        total = torch.zeros((), dtype=torch.int64, device=self.device)
        for branch in tree.branches.values():
            for level in (branch, *branch.branches.values()):
                total = total + level.index.sum() + level.mask.sum()
        return total

    def _loss(self, member: Tensor, time: Tensor, label: Tensor) -> Tensor:
        tree = self.sampler.tree("member", member, time)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            score = self.head(self.sage(tree, self.tables)).squeeze(1)
        return functional.binary_cross_entropy_with_logits(score.float(), label)


def recorded(step: Callable[[], Tensor]) -> Callable[[], object]:
    """Capture the step as one CUDA graph, after warm-up runs that compile it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def seeds_per_second(work: Work, run: Callable[[], object], steps: int, repeats: int = 5) -> list[float]:
    """Measure each repeat, after a warm-up."""

    def timed(count: int) -> float:
        _wait(work)
        started = perf_counter()
        for step in range(count):
            work.feed(step)
            run()
        _wait(work)
        return work.batch * work.ranks * count / (perf_counter() - started)

    timed(3)
    return [timed(steps) for _ in range(repeats)]


def _wait(work: Work) -> None:
    if work.device.type == "cuda":
        torch.cuda.synchronize()
    if work.ranks > 1:
        torch.distributed.barrier()


def main() -> int:
    """Measure on the best available device; return 1 where a bar does not hold."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0 if cuda else 0.02, help="share of the full size")
    parser.add_argument("--batch", type=int, default=4096 if cuda else 512, help="seeds per step and process")
    parser.add_argument("--steps", type=int, default=200 if cuda else 10, help="steps per repeat")
    parser.add_argument("--no-peer", action="store_true", help="skip PyTorch Geometric's measurement")
    options = parser.parse_args()
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if cuda else "cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    if ranks > 1:
        torch.distributed.init_process_group("nccl" if cuda else "gloo")
    work = Work(options.scale, options.batch, device, rank, ranks)
    found = seeds_per_second(work, recorded(work.learn) if cuda else work.learn, options.steps)
    loss = work.learn().item()
    drawn = seeds_per_second(work, recorded(torch.compile(work.draw)) if cuda else work.draw, options.steps)
    if ranks > 1:
        torch.distributed.destroy_process_group()
    if rank > 0:
        return 0
    median = statistics.median(found)
    figures = {
        "device": torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} CPU threads",
        "processes": ranks,
        "batch": options.batch,
        "scale": options.scale,
        "seeds_per_second": median,
        "slowest_repeat": min(found),
        "fastest_repeat": max(found),
        "last_loss": loss,
        "sampling_seeds_per_second": statistics.median(drawn),
    }
    bars = {"finite_loss": math.isfinite(loss)}
    if ranks == 1 and not options.no_peer:
        peer, speed = pyg_seeds_per_second(work.graph, work.tables, WIDTH, options.batch, device)
        figures |= {"peer": peer, "peer_seeds_per_second": speed, "times_the_peer": median / speed}
        bars["faster_than_the_peer"] = median > speed
    return show("training_throughput", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
