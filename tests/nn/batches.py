"""Small graphs and models for the tests of ``models.nn``."""

import torch

from models.graph.fakes import fake_graph
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Activities, Tree
from models.nn.config import ModelConfig
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker

CONFIG = ModelConfig(width=8, graph_tokens=2, activities=5, layers=2, heads=2, head_width=16)


def ready(config: ModelConfig = CONFIG, seed: int = 0) -> tuple[TemporalGraph, EncodedGraph, Ranker]:
    """A tiny graph, encoded, and an untrained ranker in evaluation mode."""
    graph = fake_graph(members=12, items=16, seed=seed)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    torch.manual_seed(seed)
    ranker = Ranker(config, graph.schema, encoding).eval()
    with torch.no_grad():  # as training would leave it: bilinear maps that are no identities, IDs that differ
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return graph, encode_graph(encoding, graph.schema, graph), ranker


def member_side(graph: TemporalGraph, ranker: Ranker, rows: torch.Tensor) -> tuple[Tree, Activities]:
    sampler, seeds = Sampler(graph), graph.seeds
    tree = sampler.tree("member", seeds.member[rows], seeds.time[rows])
    return tree, sampler.activities(seeds.member[rows], seeds.time[rows], ranker.config.activities)
