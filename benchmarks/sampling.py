"""Sampling throughput (seeds/s) of temporal trees in random order: 10 M edges of one type, fan-out [10, 5], batch 1024.

Sources are skewed (the busiest of 1 M nodes has about 10,000 edges). Peer, in the same run: numpy with one binary
search over all edges per level. The results are compared first.
"""

import statistics
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from benchmarks.random_world import SPAN, bare_graph, csr, random_seeds
from benchmarks.table import show
from models.cpus import usable_cpus
from models.graph.sample import Sampler
from models.graph.schema import EdgeType
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors
from models.graph.tree import Branch, Tree

NODES, EDGES, BATCH, BATCHES, REPEATS = 1_000_000, 10_000_000, 1024, 100, 5
FAN_OUT = (10, 5)


def skewed_graph() -> TemporalGraph:
    """Draw sources: the probability of node i falls with the square root of i."""
    generator = torch.Generator().manual_seed(0)
    source = (torch.rand(EDGES, generator=generator, dtype=torch.float64).square() * NODES).long()
    target = torch.randint(NODES, (EDGES,), generator=generator, dtype=torch.int32)
    edges = csr(source, target, torch.randint(SPAN, (EDGES,), generator=generator), NODES)
    acted = EdgeType("acted", "node", "node", "engagement", "feed", FAN_OUT)
    return bare_graph({"node": NODES}, [acted], {"acted": edges})


class NumpySampler:
    """The peer: owner and time packed into one sorted integer key; ``np.searchsorted`` finds the earlier edges."""

    def __init__(self, edges: EdgeTensors) -> None:
        self.offsets, self.target, self.time = (t.numpy() for t in (edges.offsets, edges.target, edges.time))
        self.key = np.repeat(np.arange(NODES), np.diff(self.offsets)) * SPAN + self.time

    def level(self, node: np.ndarray, time: np.ndarray, fan_out: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Neighbors, mask and age in seconds, each (parents, fan_out)."""
        end = np.searchsorted(self.key, node * SPAN + time)
        row = end[:, None] - np.arange(1, fan_out + 1)
        mask = row >= self.offsets[node][:, None]
        row = np.where(mask, row, 0)
        age = ((time[:, None] - self.time[row]) * mask * 1e-6).astype(np.float32)
        return np.where(mask, self.target[row], 0).astype(np.int64), mask, age

    def tree(self, node: np.ndarray, time: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Both levels; places below a masked one are undefined."""
        first = self.level(node, time, FAN_OUT[0])
        return [first, self.level(first[0].ravel(), np.repeat(time, FAN_OUT[0]), FAN_OUT[1])]


def levels(tree: Tree) -> tuple[Branch, Branch]:
    """Both levels of a tree."""
    first = tree.branches["acted"]
    return first, first.branches["acted"]


def seeds_per_second(draw: Callable[[Tensor, Tensor], object]) -> list[float]:
    """Measure each repeat with new seeds, after a warm-up."""
    found = []
    for repeat in range(REPEATS + 1):
        index, time = random_seeds(NODES, BATCHES * BATCH, "cpu", seed=repeat)
        started = perf_counter()
        for place in range(0, len(index), BATCH):
            draw(index[place : place + BATCH], time[place : place + BATCH])
        found.append(len(index) / (perf_counter() - started))
    return found[1:]


def main() -> int:
    """Compare the results, then measure; return 1 where a bar does not hold."""
    graph = skewed_graph()
    sampler, peer = Sampler(graph), NumpySampler(graph.edges["acted"])
    compiled = torch.compile(lambda index, time: sampler.tree("node", index, time), fullgraph=True)
    index, time = random_seeds(NODES, BATCH, "cpu", seed=99)
    for tree in (sampler.tree("node", index, time), compiled(index, time)):
        above = np.ones((BATCH, 1), bool)
        for branch, (node, mask, age) in zip(levels(tree), peer.tree(index.numpy(), time.numpy()), strict=True):
            seen = mask & above.reshape(-1, 1)
            assert np.array_equal(branch.mask.numpy(), seen)
            assert np.array_equal(branch.index.numpy(), node * seen)
            assert np.array_equal(branch.delta.numpy(), age * seen)
            above = seen
    found = {
        "compiled": seeds_per_second(compiled),
        "eager": seeds_per_second(lambda index, time: sampler.tree("node", index, time)),
        "numpy": seeds_per_second(lambda index, time: peer.tree(index.numpy(), time.numpy())),
    }
    best = statistics.median(found["compiled"])
    times = best / statistics.median(found["numpy"])
    return show(
        "sampling",
        {
            "edges": EDGES,
            "cores": usable_cpus(),
            "busiest_node_edges": int(graph.edges["acted"].offsets.diff().max()),
            "seeds_per_second": best,
            "slowest_repeat": min(found["compiled"]),
            "eager_seeds_per_second": statistics.median(found["eager"]),
            "peer_numpy_seeds_per_second": statistics.median(found["numpy"]),
            "times_the_peer": times,
        },
        {"faster_than_the_peer": times > 1},
    )


if __name__ == "__main__":
    sys.exit(main())
