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
from models.training.config import TrainedState
from models.training.slices import Slices

State = Literal["as_of", "frozen"]
FRESH, STALE, FROZEN = range(3)
"""How a seed sees its member: as of itself; tokens and activities as of ``frozen_time``, counters as of itself; all as
of ``frozen_time``."""
_SECOND = 1_000_000


@dataclass
class Batch:
    """A batch of B seeds, one candidate each, with S member states: one per slice of seeds."""

    member: Tree
    """S trees, as of ``member_time``."""
    item: Tree
    """As of the seeds' own time, less ``lag``."""
    activities: Activities
    """S times the member's last activities, as of ``member_time``."""
    member_time: Tensor
    """(S,) int64: as of when the member's side is read."""
    slice: Tensor | None
    """(B,) int64: the member state of each seed; None where every seed has its own, S = B."""
    age: Tensor
    """(B, N) float32 seconds from each activity to the SEED's time; 0 where masked."""
    numbers: Tensor
    """(B, 1, F) float32: the impressions' features as ``Encoding`` gives them."""
    categories: Tensor
    """(B, 1, K) int64."""
    surface: Tensor
    """(B,) int64; -1 where the model does not know it."""
    hour: Tensor
    """(B,) int64 local hour, 0 to 23."""
    weekday: Tensor
    """(B,) int64 local weekday, 0 = Monday."""
    state_age: Tensor
    """(B,) float32 seconds from the seed's ``member_time`` to its own time."""
    labels: Tensor
    """(B, T) float32; NaN where masked."""


class Batches:
    """Makes batches out of one graph for one model."""

    def __init__(
        self,
        encoded: EncodedGraph,
        activities: int,
        limit: int | None = None,
        seed: int = 0,
        hops: int | None = None,
    ) -> None:
        """``activities``: N, how many of the member's last activities a batch holds, 0 or more; ``limit``: the largest
        fan-out, ``hops``: how far trees reach, None = as the schema says; ``seed``: of the sampler's random
        strategies."""
        self.encoded, self.activities = encoded, activities
        self.sampler = Sampler(encoded.graph, hops=hops, limit=limit, seed=seed)

    def make(self, slices: Slices, seen: Tensor | State = "as_of", lag: int = 0, draw: int = 0) -> Batch:
        """The batch of the seeds of S ``slices``, each with one state of its member as of the slice's earliest seed.

        ``seen``: (S,) int64 out of FRESH, STALE and FROZEN, or one word for all: as_of = FRESH, frozen = FROZEN.
        ``lag``: microseconds, 0 or more, by which tokens and activities of BOTH sides are older still, as where they
        were pushed that long ago. ``draw``: another one, another answer of the sampler's random strategies.
        """
        graph, seeds = self.encoded.graph, self.encoded.graph.seeds
        rows, first = slices.rows, slices.first
        of = slices.of if len(first) < len(rows) else None
        time, item = seeds.time[rows], seeds.item[rows]
        if isinstance(seen, str):
            seen = torch.full_like(first, FROZEN if seen == "frozen" else FRESH)
        member_time = torch.where(seen == FRESH, seeds.time[first], seeds.frozen_time[first]) - lag
        frozen = _spread(seen == FROZEN, of).unsqueeze(1)
        schema, member = graph.schema.seeds, seeds.member[first]
        activities = last_activities(self.sampler, member, member_time, self.activities)
        aged = replace(activities, time=_spread(activities.time, of), mask=_spread(activities.mask, of))
        numbers = _where(frozen, self.encoded.frozen_numbers, self.encoded.impression_numbers, rows)
        categories = _where(frozen, self.encoded.frozen_categories, self.encoded.impression_categories, rows)
        hour, weekday = local_clock(time, schema.timezone_offset)
        return Batch(
            member=self.sampler.tree(schema.member, member, member_time, draw),
            item=self.sampler.tree(schema.item, item, time - lag, draw),
            activities=activities,
            member_time=member_time,
            slice=of,
            age=activity_age(aged, time),
            numbers=numbers.unsqueeze(1),
            categories=categories.unsqueeze(1),
            surface=self.encoded.surface[rows],
            hour=hour,
            weekday=weekday,
            state_age=(time - _spread(member_time, of)).float() / _SECOND,
            labels=seeds.labels[rows],
        )


def last_activities(sampler: Sampler, member: Tensor, time: Tensor, count: int) -> Activities:
    """The last ``count`` activities of ``member`` (batch,) strictly before ``time`` (batch,); 0 = none."""
    if count:
        return sampler.activities(member, time, count)
    none = time.new_zeros(len(time), 0)
    return Activities(edge=none, target=none, row=none, time=none, mask=none > 0)


def activity_age(activities: Activities, time: Tensor) -> Tensor:
    """(batch, N) float32 seconds from each activity to ``time`` (batch,); 0 where masked."""
    return (time.unsqueeze(1) - activities.time).float() / _SECOND * activities.mask


def random_state(
    count: int, state: TrainedState, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """(count,) int64: how each slice of a training batch sees its member; ``TrainingConfig.state`` says the shares."""
    if state != "mixed":
        return torch.full((count,), FROZEN if state == "frozen" else FRESH, device=device)
    chance = torch.rand(count, device=device, generator=generator)
    return (chance >= 0.5).long() + (chance >= 0.75).long()


@dataclass
class Tokens:
    """What the encoders make of a batch, one row per seed."""

    member: Tensor
    """(B, H, w)."""
    activities: Tensor
    """(B, N, w)."""
    mask: Tensor
    """(B, N) bool."""
    item: Tensor
    """(B, H, w)."""


def encode(ranker: Ranker, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tokens:
    """The tokens of a batch."""
    activities = ranker.activity_tokens(encoded, batch.activities, batch.member_time, table)
    return Tokens(
        member=_spread(ranker.member_tokens(encoded, batch.member, table), batch.slice),
        activities=_spread(activities, batch.slice),
        mask=_spread(batch.activities.mask, batch.slice),
        item=ranker.item_tokens(encoded, batch.item, table),
    )


def decode(ranker: Ranker, batch: Batch, tokens: Tokens) -> Tensor:
    """Logits (B, T) of a batch, from its tokens."""
    return ranker.decode(
        tokens.member,
        tokens.activities,
        batch.age,
        tokens.mask,
        tokens.item.unsqueeze(1),
        batch.numbers,
        batch.categories,
        batch.surface,
        batch.hour,
        batch.weekday,
        batch.state_age,
    ).squeeze(1)


def score(ranker: Ranker, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tensor:
    """Logits (B, T) of a batch, encoder and decoder in one go."""
    return decode(ranker, batch, encode(ranker, encoded, batch, table))


def _spread(states: Tensor, slice_of: Tensor | None) -> Tensor:
    """(S, ...) member states -> (B, ...), one per seed."""
    return states if slice_of is None else states[slice_of]


def _where(frozen: Tensor, held_back: Tensor, fresh: Tensor, rows: Tensor) -> Tensor:
    """(B, columns): the frozen rows' values, (B, 1) bool, out of ``held_back``, the others' out of ``fresh``."""
    return torch.where(frozen, held_back[rows], fresh[rows])
