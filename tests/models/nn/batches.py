"""Small graphs and models for the tests of ``models.nn``."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.fakes import fake_graph
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Activities, Tree
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.inputs import DecoderInputs
from models.nn.model import Ranker
from models.training.batches import activity_age, relative_time

CONFIG = ModelConfig(width=8, graph_tokens=2, activities=5, layers=2, heads=2, head_width=16)


class World(NamedTuple):
    """A graph, the same encoded for a model, and that model."""

    graph: TemporalGraph
    encoded: EncodedGraph
    ranker: Ranker


def ready(config: ModelConfig = CONFIG, seed: int = 0) -> World:
    """A tiny graph, encoded, and an untrained ranker in evaluation mode."""
    graph = fake_graph(members=12, items=16, seed=seed)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    torch.manual_seed(seed)
    ranker = Ranker(config, graph.schema, encoding).eval()
    with torch.no_grad():  # away from the start, where maps are identities and ID embeddings zero
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return World(graph, encode_graph(encoding, graph.schema, graph), ranker)


def member_side(graph: TemporalGraph, rows: Tensor, count: int = CONFIG.activities) -> tuple[Tree, Activities]:
    """Trees and last ``count`` activities of the members of the seeds ``rows``, as of each seed."""
    sampler, seeds = Sampler(graph), graph.seeds
    member, time = seeds.member[rows], seeds.time[rows]
    return sampler.tree("member", member, time), sampler.activities(member, time, count)


def decoder_inputs(world: World, batch: int, slate: int) -> DecoderInputs:
    """The first ``batch`` test seeds, each with the items 0 to ``slate`` - 1 as candidates."""
    graph, encoded, ranker = world
    rows = graph.seeds.rows("test")[:batch]
    tree, activities = member_side(graph, rows)
    time = graph.seeds.time[rows]
    items = torch.arange(slate).repeat(batch, 1)
    item_trees = Sampler(graph).tree("item", items.flatten(), time.repeat_interleave(slate))
    return DecoderInputs(
        member_tokens=ranker.member_tokens(encoded, tree),
        activity_tokens=ranker.activity_tokens(encoded, activities, time),
        activity_age=activity_age(activities, time),
        activity_mask=activities.mask,
        item_tokens=ranker.item_tokens(encoded, item_trees).unflatten(0, (batch, slate)),
        numbers=encoded.impression_numbers[: batch * slate].unflatten(0, (batch, slate)),
        categories=encoded.impression_categories[: batch * slate].unflatten(0, (batch, slate)),
        surface=torch.arange(batch) % 3 - 1,
        hour=torch.arange(batch) % 24,
        weekday=torch.arange(batch) % 7,
        state_age=torch.rand(batch) * 1e5,
        activity_time=relative_time(activities, time),
    )


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """What is stored of a module: the shape of every tensor by its name."""
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}
