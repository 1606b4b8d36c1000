"""From rows of seeds to what the model takes: trees, activities, the impression's features, labels."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.tree import Activities, Tree
from models.nn.clock import local_clock
from models.nn.encoded import EncodedGraph
from models.nn.model import Ranker
from models.training.slices import Slices

State = Literal["as_of", "frozen"]
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


@dataclass
class Batch:
    """A batch of B seeds, one candidate each, with S member states: one per slice of seeds."""

    member: Tree
    """S trees, as of ``member_time``."""
    item: Tree
    """As of the seeds' own time."""
    activities: Activities
    """S times the member's last activities, as of ``member_time``."""
    member_time: Tensor
    """(S,) int64: as of when the member's side is read."""
    slice: Tensor | None
    """(B,) int64: the member state of each seed; None where every seed has its own, S = B."""
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
    """(B,) float32 seconds from the seed's ``member_time`` to its own time."""
    labels: Tensor
    """(B, T) float32; NaN where masked."""


class Batches:
    """Makes batches out of one graph for one model."""

    def __init__(self, encoded: EncodedGraph, activities: int, limit: int | None = None, seed: int = 0) -> None:
        """``activities``: N, how many of the member's last activities a batch holds; ``limit``: the largest fan-out,
        None = as the schema says; ``seed``: of the sampler's random strategies."""
        self.encoded, self.activities = encoded, activities
        self.sampler = Sampler(encoded.graph, limit=limit, seed=seed)

    def make(self, slices: Slices, state: State = "as_of", lag: Tensor | None = None, draw: int = 0) -> Batch:
        """The batch of the seeds of S ``slices``, each with one state of its member as of the slice's earliest seed.

        ``state`` frozen: the member's side (tree, activities, features keyed by the member) is read as of that seed's
        ``frozen_time``. ``lag`` (S,) int64 microseconds, 0 or more: read it that much earlier. ``draw``: another one,
        another answer of the sampler's random strategies.
        """
        graph, seeds, frozen = self.encoded.graph, self.encoded.graph.seeds, state == "frozen"
        rows, first = slices.rows, slices.first
        of = slices.of if len(first) < len(rows) else None
        time, item = seeds.time[rows], seeds.item[rows]
        member_time = (seeds.frozen_time if frozen else seeds.time)[first]
        if lag is not None:
            member_time = member_time - lag
        schema, member = graph.schema.seeds, seeds.member[first]
        activities = self.sampler.activities(member, member_time, self.activities)
        seen = replace(activities, time=_spread(activities.time, of), mask=_spread(activities.mask, of))
        numbers = self.encoded.frozen_numbers if frozen else self.encoded.impression_numbers
        categories = self.encoded.frozen_categories if frozen else self.encoded.impression_categories
        hour, weekday = local_clock(time, schema.timezone_offset)
        return Batch(
            member=self.sampler.tree(schema.member, member, member_time, draw),
            item=self.sampler.tree(schema.item, item, time, draw),
            activities=activities,
            member_time=member_time,
            slice=of,
            age=activity_age(seen, time),
            numbers=numbers[rows].unsqueeze(1),
            categories=categories[rows].unsqueeze(1),
            surface=self.encoded.surface[rows],
            hour=hour,
            weekday=weekday,
            state_age=(time - _spread(member_time, of)).float() / _SECOND,
            labels=seeds.labels[rows],
        )


def activity_age(activities: Activities, time: Tensor) -> Tensor:
    """(batch, N) float32 seconds from each activity to ``time`` (batch,); 0 where masked."""
    return (time.unsqueeze(1) - activities.time).float() / _SECOND * activities.mask


def random_lag(count: int, days: float, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """(count,) int64: half of them (at random) a moment up to ``days`` back, in microseconds, the others 0."""
    stale = torch.rand(count, device=device, generator=generator) < 0.5
    return (torch.rand(count, device=device, generator=generator) * stale * days * _DAY).long()


def score(ranker: Ranker, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tensor:
    """Logits (B, T) of a batch, encoder and decoder in one go."""
    item = ranker.item_tokens(encoded, batch.item, table)
    return ranker.decode(
        _spread(ranker.member_tokens(encoded, batch.member, table), batch.slice),
        _spread(ranker.activity_tokens(encoded, batch.activities, batch.member_time, table), batch.slice),
        batch.age,
        _spread(batch.activities.mask, batch.slice),
        item.unsqueeze(1),
        batch.numbers,
        batch.categories,
        batch.surface,
        batch.hour,
        batch.weekday,
        batch.state_age,
    ).squeeze(1)


def _spread(states: Tensor, slice_of: Tensor | None) -> Tensor:
    """(S, ...) member states -> (B, ...), one per seed."""
    return states if slice_of is None else states[slice_of]
