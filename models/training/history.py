"""Pre-training on engagements before the train window: predict each one's action from the events before it.

An engagement of a member with an item is treated as an impression at its time: tree, sequence and item are read
strictly before it, and the label is which of the domain's actions it was (watched or skipped, say). The impression's
other features (counters, context, surface) are missing here. The heads of the actions are thrown away; encoders,
transformer and matching keep their weights for the training of the tasks.
"""

from dataclasses import replace

import pyarrow as pa
import torch
from torch import Tensor

from models.configs.training import TrainingConfig
from models.graph.schema import EdgeType, GraphSchema, TaskColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import Seeds
from models.graph.timeline import LATEST
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.nn.family import Family
from models.nn.scaling import scale_numbers
from models.training.errors import NoHistoryError
from models.training.trainer import Trainer, seeded


def pretrain(ranker: Family, encoded: EncodedGraph, config: TrainingConfig) -> dict[str, float]:
    """Train ``ranker`` in place on ``config.history_events`` events; returns train_loss and seeds_per_second.

    Raises NoHistoryError if there is no event to learn from.
    """
    history = history_of(encoded, ranker.encoding, config.history_events, config.seed)
    rows = torch.arange(len(history.graph.seeds), device=history.graph.device)
    with seeded(config.seed, rows.device):
        action_heads = ranker.new_heads(len(history.graph.schema.seeds.tasks)).to(rows.device)
    heads, ranker.heads = ranker.heads, action_heads
    spread, ranker.task_spread = ranker.task_spread, None  # the actions have fixed weights
    once = replace(config, epochs=1, state="as_of")
    try:
        return Trainer(ranker, once).run_epoch(history, rows, epoch=0, name="history")
    finally:
        ranker.heads, ranker.task_spread = heads, spread


def history_of(encoded: EncodedGraph, encoding: Encoding, count: int, seed: int = 0) -> EncodedGraph:
    """The same graph with ``count`` events before the train window as its seeds and one task per action.

    Where there are fewer events, some come twice. Labels are 1 for the event's action, 0 for the other actions of its
    domain, NaN for those of other domains. Raises NoHistoryError if no domain has two actions of members with items.
    """
    graph = encoded.graph
    actions = _actions(graph.schema)
    until = graph.schema.window("train").start
    events = _after_first_of_all(actions, [_events(graph, edge.name, until) for edge in actions])
    sizes = [len(member) for member, _, _ in events]
    if not sum(sizes):
        raise NoHistoryError(
            "training.history_events: expected engagements of members with items before the train window, in a domain "
            f"that has two kinds of them; found {len(actions)} such edge types with 0 events: set it to 0"
        )
    chosen = _draw(sum(sizes), count, seed).to(graph.device)
    member, item, time = (torch.cat(column)[chosen] for column in zip(*events, strict=True))
    action = torch.repeat_interleave(torch.tensor(sizes, device=graph.device))[chosen]
    domain = [edge.domain for edge in actions]
    rivals = torch.tensor([[one == other for other in domain] for one in domain], device=graph.device)
    is_own = torch.eye(len(actions), device=graph.device)[action]
    schema = graph.schema.seeds
    tasks = tuple(TaskColumn(edge.name, 1 / len(actions), primary=False) for edge in actions)
    numbers, categories = _missing(graph.seeds.numbers, count), _missing(graph.seeds.categories, count)
    seeds = Seeds(
        member=member,
        item=item,
        surface=torch.zeros_like(member),
        time=time,
        settled=time,
        window=torch.zeros_like(member),
        numbers=numbers,
        categories=categories,
        labels=torch.where(rivals[action], is_own, torch.nan),
        frozen_time=time,
        frozen_numbers=numbers,
        frozen_categories=categories,
        cold=torch.zeros_like(member, dtype=torch.bool),
        keys=pa.nulls(count),
        windows=graph.seeds.windows,
    )
    unknown = scale_numbers(encoding.impression.numbers, numbers[:1]).expand(count, -1)
    return replace(
        encoded,
        graph=replace(graph, seeds=seeds, schema=replace(graph.schema, seeds=replace(schema, tasks=tasks))),
        impression_numbers=unknown,
        impression_categories=categories,
        frozen_numbers=unknown,
        frozen_categories=categories,
        surface=torch.full_like(member, -1),
    )


def _actions(schema: GraphSchema) -> list[EdgeType]:
    """Engagements of members with items, in domains that have two kinds of them or more."""
    edges = [schema.edge(name) for name in schema.activity_edges if schema.edge(name).target == schema.seeds.item]
    domains = [edge.domain for edge in edges]
    return [edge for edge in edges if domains.count(edge.domain) > 1]


def _events(graph: TemporalGraph, edge: str, until: int) -> tuple[Tensor, Tensor, Tensor]:
    """Member, item and time, (events,) int64 each, of the edges of that type before ``until``."""
    edges = graph.edges[edge]
    member = torch.repeat_interleave(torch.arange(len(edges.offsets) - 1, device=graph.device), edges.offsets.diff())
    early = edges.time < until
    return member[early], edges.target[early].long(), edges.time[early]


def _after_first_of_all(
    actions: list[EdgeType], events: list[tuple[Tensor, Tensor, Tensor]]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The events of a member after its first event of every action of the domain.

    Logs of different actions seldom begin on one day, and while a member has only one action there is nothing to learn.
    """
    members = max((int(member.max()) + 1 for member, _, _ in events if len(member)), default=0)
    first = [
        torch.full((members,), LATEST, device=time.device).scatter_reduce(0, member, time, "amin")
        for member, _, time in events
    ]
    kept = []
    for edge, (member, item, time) in zip(actions, events, strict=True):
        rivals = [moment for other, moment in zip(actions, first, strict=True) if other.domain == edge.domain]
        after = time > torch.stack(rivals).amax(dim=0)[member]
        kept.append((member[after], item[after], time[after]))
    return kept


def _draw(of: int, count: int, seed: int) -> Tensor:
    """(count,) int64 below ``of``: each once before any twice. On the CPU, so that every device draws the same."""
    generator = torch.Generator("cpu").manual_seed(seed)
    rounds = [torch.randperm(of, generator=generator, device="cpu") for _ in range(-(-count // of))]
    return torch.cat(rounds)[:count]


def _missing(values: Tensor, count: int) -> Tensor:
    """(count, columns) missing values, expanded without memory: NaN for numbers, code 0 for categories."""
    missing = torch.nan if values.is_floating_point() else 0
    return values.new_full((1, values.shape[1]), missing).expand(count, -1)
