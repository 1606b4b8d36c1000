"""From rows of seeds to what the model takes: trees, activities, the impression's features, labels."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.tree import Activities, Tree
from models.nn.clock import local_clock
from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker

State = Literal["as_of", "frozen"]
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


@dataclass
class Batch:
    """A batch of B seeds, one candidate each."""

    member: Tree
    """As of ``member_time``."""
    item: Tree
    """As of the seeds' own time."""
    activities: Activities
    member_time: Tensor
    """(B,) int64: as of when the member's side is read."""
    age: Tensor
    """(B, N) float32 seconds from each activity to the SEED's time; 0 where masked."""
    numbers: Tensor
    """(B, 1, F)."""
    categories: Tensor
    """(B, 1, K)."""
    surface: Tensor
    hour: Tensor
    weekday: Tensor
    state_age: Tensor
    """(B,) float32 seconds from ``member_time`` to the seeds' time."""
    labels: Tensor
    """(B, T) float32; NaN where masked."""


class Batches:
    """Makes batches out of one graph for one model."""

    def __init__(self, encoded: EncodedGraph, activities: int) -> None:
        """``activities``: N, how many of the member's last activities a batch holds."""
        self.encoded, self.activities = encoded, activities
        self.sampler = Sampler(encoded.graph)

    def make(self, rows: Tensor, state: State = "as_of", lag: Tensor | None = None) -> Batch:
        """The batch of seeds ``rows`` (B,).

        ``state`` frozen: the member's side (tree, activities, features keyed by the member) is read as of the seed's
        ``frozen_time``. ``lag`` (B,) int64 microseconds, 0 or more: read it that much earlier than the seed's time.
        """
        graph, seeds, frozen = self.encoded.graph, self.encoded.graph.seeds, state == "frozen"
        time = seeds.time[rows]
        member_time = seeds.frozen_time[rows] if frozen else time
        if lag is not None:
            member_time = member_time - lag
        schema, member, item = graph.schema.seeds, seeds.member[rows], seeds.item[rows]
        activities = self.sampler.activities(member, member_time, self.activities)
        numbers = self.encoded.frozen_numbers if frozen else self.encoded.impression_numbers
        categories = self.encoded.frozen_categories if frozen else self.encoded.impression_categories
        hour, weekday = local_clock(time, schema.timezone_offset)
        return Batch(
            member=self.sampler.tree(schema.member, member, member_time),
            item=self.sampler.tree(schema.item, item, time),
            activities=activities,
            member_time=member_time,
            age=activity_age(activities, time),
            numbers=numbers[rows].unsqueeze(1),
            categories=categories[rows].unsqueeze(1),
            surface=self.encoded.surface[rows],
            hour=hour,
            weekday=weekday,
            state_age=(time - member_time).float() / _SECOND,
            labels=seeds.labels[rows],
        )


def activity_age(activities: Activities, time: Tensor) -> Tensor:
    """(batch, N) float32 seconds from each activity to ``time`` (batch,); 0 where masked."""
    return (time.unsqueeze(1) - activities.time).float() / _SECOND * activities.mask


def random_lag(rows: Tensor, days: float) -> Tensor:
    """(B,) int64: for every second seed (at random) a moment up to ``days`` back, in microseconds, else 0."""
    stale = torch.rand(len(rows), device=rows.device) < 0.5
    return (torch.rand(len(rows), device=rows.device) * stale * days * _DAY).long()


def score(ranker: Ranker, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tensor:
    """Logits (B, T) of a batch, encoder and decoder in one go."""
    item = ranker.item_tokens(encoded, batch.item, table)
    return ranker.decode(
        ranker.member_tokens(encoded, batch.member, table),
        ranker.activity_tokens(encoded, batch.activities, batch.member_time, table),
        batch.age,
        batch.activities.mask,
        item.unsqueeze(1),
        batch.numbers,
        batch.categories,
        batch.surface,
        batch.hour,
        batch.weekday,
        batch.state_age,
    ).squeeze(1)
