"""What PageRank in attention costs a seed: ``python -m benchmarks.studies.pagerank_cost --graph FOLDER``.

Of the last seeds of the test window: milliseconds a seed for the tree alone and for P on its first hop, and the share
of that hop's neighbors with a P above 0. The median of five rounds; on the CPU, CPU time of one thread.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch

from benchmarks.table import show
from models.graph.errors import GraphError
from models.graph.ranks import place_ranks
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph

_ROUNDS = 5


def measure(graph: TemporalGraph, seeds: int) -> dict[str, float]:
    """By side: milliseconds a seed, and the share of neighbors with a P above 0."""
    sampler, schema, found = Sampler(graph), graph.schema.seeds, {}
    rows = graph.seeds.rows("test")[-seeds:]
    for side, index in (("member", graph.seeds.member[rows]), ("item", graph.seeds.item[rows])):
        node, time = getattr(schema, side), graph.seeds.time[rows]
        sampled = sampler.tree(node, index, time)
        ranks = place_ranks(graph, graph.schema, sampled)
        per_seed = 1e3 / max(len(rows), 1)
        found[f"{side}_tree_ms"] = _seconds(partial(sampler.tree, node, index, time), graph) * per_seed
        found[f"{side}_pagerank_ms"] = _seconds(partial(place_ranks, graph, graph.schema, sampled), graph) * per_seed
        places = sum(int(branch.mask.sum()) for branch in sampled.branches.values())
        found[f"{side}_neighbors_with_p"] = sum(int((p > 0).sum()) for p in ranks.places.values()) / max(places, 1)
    return found


def _seconds(call: Callable[[], object], graph: TemporalGraph) -> float:
    gpu, taken = graph.device.type == "cuda", []
    clock = perf_counter if gpu else process_time
    for _ in range(_ROUNDS):
        started = clock()
        call()
        if gpu:
            torch.cuda.synchronize(graph.device)
        taken.append(clock() - started)
    return median(taken)


def main() -> int:
    """Measure and print; return 1 after an error message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True, help="folder of the graph")
    parser.add_argument("--seeds", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        graph = TemporalGraph.load(options.graph, options.device)
        figures = measure(graph, options.seeds)
    except GraphError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    edges = sum(len(edge.time) for edge in graph.edges.values()) // 2
    counts = {"nodes": sum(node.count for node in graph.schema.nodes), "edges": edges, "seeds": options.seeds}
    return show("pagerank_cost", {**counts, **{name: round(value, 3) for name, value in figures.items()}}, {})


if __name__ == "__main__":
    sys.exit(main())
