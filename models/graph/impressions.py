"""``Impressions``: what a member was shown and what came of it, as tokens in the order of their own times.

An impression is two tokens: its item at the time at which it was shown, its outcome at the time at which that SETTLED.
So nothing that reads the tokens before a time can see an outcome that was still open. The impressions are the graph's
seeds of all windows; of other days there are engagement edges, one token each.
"""

from typing import Literal

import torch
from torch import Tensor

from models.graph.errors import QueryError
from models.graph.store import TemporalGraph
from models.graph.timeline import Timeline
from models.graph.tree import Activities

SHOWN, OUTCOME = range(2)
"""``Activities.edge`` of the two tokens of an impression; of an engagement: ``FIRST_EDGE`` + its place in
``GraphSchema.activity_edges``."""
FIRST_EDGE = 2
KINDS = ("impression.shown", "impression.outcome")
"""Names of the two; no edge type can have them."""

Engagements = Literal["none", "outside", "all"]
"""Which engagement edges are tokens. outside: those before the train window and after the last one, where there are no
seeds, so that none repeats an impression."""


class Impressions:
    """The tokens of all members of one graph, sorted by (member, time), on the graph's device."""

    def __init__(self, graph: TemporalGraph, engagements: Engagements = "outside") -> None:
        """Seeds of an unknown member, cold twins and sampled negatives, which nobody was shown, are no impressions."""
        parts = [*_impressions(graph), *_engagements(graph, engagements)]
        member, edge, target, row, time = (torch.cat(column) for column in zip(*parts, strict=True))
        order = time.argsort(stable=True)
        order = order[member[order].argsort(stable=True)]
        self.edge, self.target, self.row, self.time = (column[order] for column in (edge, target, row, time))
        count = torch.bincount(member, minlength=graph.schema.node(graph.schema.seeds.member).count)
        self.offsets = torch.nn.functional.pad(count.cumsum(0), (1, 0))
        self.timeline = Timeline(self.offsets, self.time)

    def activities(self, member: Tensor, time: Tensor, count: int) -> Activities:
        """The last ``count`` tokens of ``member`` (batch,) strictly before ``time`` (batch,), int64, oldest first.

        ``Activities.row`` is the seed of an impression's token, the row of an engagement's. Tokens of one time keep the
        order of kinds and rows. Raises QueryError for a count below 1.
        """
        if count < 1:
            raise QueryError(f"activities: expected a count of 1 or more; found {count}")
        owner = member.clamp(min=0)
        end = self.timeline.end(owner, time).unsqueeze(1)
        place = end - torch.arange(count, 0, -1, device=member.device)  # (batch, count)
        seen = (place >= self.offsets[owner].unsqueeze(1)) & (member >= 0).unsqueeze(1)
        if not len(self.time):
            nothing = torch.zeros_like(place)
            return Activities(nothing, nothing, nothing, nothing, nothing.bool())
        place = place.clamp(min=0)
        edge, target, row, moment = (column[place] * seen for column in (self.edge, self.target, self.row, self.time))
        return Activities(edge, target, row, moment, seen)

    def count(self, member: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """(batch,) int64: the tokens of ``member`` (batch,) at or after ``first`` (batch,) and before ``last``."""
        owner = member.clamp(min=0)
        return (self.timeline.end(owner, last) - self.timeline.end(owner, first)) * (member >= 0)


def _impressions(graph: TemporalGraph) -> list[tuple[Tensor, ...]]:
    """(member, edge, target, row, time) of the items shown and of their outcomes.

    An unknown item is -1. Seeds of the graph window are no impressions (``models.training.history``).
    """
    seeds, schema = graph.seeds, graph.schema.seeds
    shown = (seeds.member >= 0) & ~seeds.cold & (seeds.window > 0)
    if schema.sampled:
        sampled = {task.name for task in schema.sampled}
        columns = [place for place, task in enumerate(schema.tasks) if task.name in sampled]
        shown &= (seeds.labels[:, columns] == 1).any(dim=1)
    row = shown.nonzero().flatten()
    member, item = seeds.member[row], seeds.item[row]
    times = ((SHOWN, seeds.time[row]), (OUTCOME, seeds.settled[row]))
    return [(member, torch.full_like(row, kind), item, row, time) for kind, time in times]


def _engagements(graph: TemporalGraph, engagements: Engagements) -> list[tuple[Tensor, ...]]:
    """(member, edge, target, row, time) of the engagement edges that leave members."""
    if engagements == "none":
        return []
    parts: list[tuple[Tensor, ...]] = []
    spans = graph.schema.seeds.windows
    begin, end = spans[1].start, spans[-1].end
    for place, name in enumerate(graph.schema.activity_edges):
        edges = graph.edges[name]
        owner = torch.repeat_interleave(edges.offsets.diff(), output_size=len(edges.time))
        row = torch.arange(len(edges.time), device=graph.device)
        if engagements == "outside":
            row = row[(edges.time < begin) | (edges.time >= end)]
        edge = torch.full_like(row, FIRST_EDGE + place)
        parts.append((owner[row], edge, edges.target[row].long(), row, edges.time[row]))
    return parts
