"""Batches: from rows of seeds to the model's inputs (trees, activities, impression features) and labels."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from models.configs.training import TrainedState
from models.graph.sample import Sampler
from models.graph.tree import Activities, Tree
from models.nn.clock import local_clock
from models.nn.encoded import EncodedGraph
from models.nn.family import ActivitySource, Family
from models.nn.inputs import DecoderInputs
from models.time_units import SECOND
from models.training.slices import Slices

MemberState = Literal["as_of", "frozen"]
FRESH, STALE, FROZEN = range(3)
"""The member state of a seed. FRESH: as of the seed. STALE: tokens and activities as of ``frozen_time``, counters as of
the seed. FROZEN: all as of ``frozen_time``."""


@dataclass
class Batch:
    """A batch of B seeds, one candidate each, with S member states, one per slice of seeds."""

    member: Tree
    """S trees, as of ``member_time``."""
    item: Tree
    """B trees, as of the seeds' times less ``lag``."""
    activities: Activities
    """The last N activities of S members, as of ``member_time``."""
    member_time: Tensor
    """(S,) int64: the time as of which the member side is read."""
    slice: Tensor | None
    """(B,) int64: row of each seed's member state; None where every seed has its own, S = B."""
    age: Tensor
    """(B, N) float32 seconds from each activity to the SEED's time; 0 where masked."""
    activity_time: Tensor
    """(B, N) int64 microseconds from the SEED's time to each activity, below 0; 0 where masked."""
    numbers: Tensor
    """(B, 1, F) float32: the impressions' features as ``Encoding`` gives them."""
    categories: Tensor
    """(B, 1, K) int64 category codes."""
    surface: Tensor
    """(B,) int64; -1 = unknown to the model."""
    hour: Tensor
    """(B,) int64 local hour, 0 to 23."""
    weekday: Tensor
    """(B,) int64 local weekday, 0 = Monday."""
    state_age: Tensor
    """(B,) float32 seconds from the seed's ``member_time`` to its own time."""
    labels: Tensor
    """(B, T) float32; NaN where undefined."""


class Batches:
    """Makes batches out of one graph for one model."""

    def __init__(
        self,
        encoded: EncodedGraph,
        activities: int,
        largest_fan_out: int | None = None,
        seed: int = 0,
        hops: int | None = None,
        source: ActivitySource | None = None,
    ) -> None:
        """``activities``: N, the number of a member's last activities in a batch, 0 or more; ``seed``: of the
        sampler's random strategies; ``largest_fan_out`` and ``hops``, the depth of trees: None = as in the schema;
        ``source``: of the activities (``Family.activity_source``), None = the engagements.
        """
        self.encoded, self.activities = encoded, activities
        schema = encoded.graph.schema.seeds
        self.cold_items, self.cold_members = encoded.nodes[schema.item].cold, encoded.nodes[schema.member].cold
        """Whether seeds may be cold twins, whose items or members are read as cold."""
        self.sampler = Sampler(encoded.graph, hops=hops, largest_fan_out=largest_fan_out, seed=seed)
        self.source = source or self.sampler

    def make(self, slices: Slices, member_states: Tensor | MemberState = "as_of", lag: int = 0, draw: int = 0) -> Batch:
        """The batch of the seeds of S ``slices``; a slice shares one member state, as of its earliest seed.

        ``member_states``: (S,) int64 out of FRESH, STALE and FROZEN, or one for all: as_of = FRESH, frozen = FROZEN.
        ``lag``: microseconds, 0 or more, by which tokens and activities of BOTH sides are older, as if pushed that long
        ago. ``draw``: number of the draw of the sampler's random strategies.
        """
        graph, seeds = self.encoded.graph, self.encoded.graph.seeds
        rows, first = slices.rows, slices.first
        of = slices.of if len(first) < len(rows) else None
        time, item = seeds.time[rows], seeds.item[rows]
        if isinstance(member_states, str):
            member_states = torch.full_like(first, FROZEN if member_states == "frozen" else FRESH)
        member_time = torch.where(member_states == FRESH, seeds.time[first], seeds.frozen_time[first]) - lag
        frozen = _spread(member_states == FROZEN, of).unsqueeze(1)
        schema, member = graph.schema.seeds, seeds.member[first]
        new_item = seeds.cold_item[rows] if self.cold_items else None
        new_member = seeds.cold_member[first] if self.cold_members and seeds.cold_member is not None else None
        activities = last_activities(self.source, seeds.acting(first), member_time, self.activities)
        aged = replace(activities, time=_spread(activities.time, of), mask=_spread(activities.mask, of))
        encoded = self.encoded
        numbers = torch.where(frozen, encoded.frozen_numbers[rows], encoded.impression_numbers[rows])
        categories = torch.where(frozen, encoded.frozen_categories[rows], encoded.impression_categories[rows])
        hour, weekday = local_clock(time, schema.timezone_offset)
        return Batch(
            member=self.sampler.tree(schema.member, member, member_time, draw, new_member),
            item=self.sampler.tree(schema.item, item, time - lag, draw, new_item),
            activities=activities,
            member_time=member_time,
            slice=of,
            age=activity_age(aged, time),
            activity_time=relative_time(aged, time),
            numbers=numbers.unsqueeze(1),
            categories=categories.unsqueeze(1),
            surface=encoded.surface[rows],
            hour=hour,
            weekday=weekday,
            state_age=(time - _spread(member_time, of)).float() / SECOND,
            labels=seeds.labels[rows],
        )


def last_activities(source: ActivitySource, member: Tensor, time: Tensor, count: int) -> Activities:
    """The last ``count`` activities of ``member`` (batch,) strictly before ``time`` (batch,), int64; 0 = no columns."""
    if count:
        return source.activities(member, time, count)
    none = time.new_zeros(len(time), 0)
    return Activities(edge=none, target=none, row=none, time=none, mask=none.bool())


def activity_age(activities: Activities, time: Tensor) -> Tensor:
    """(batch, N) float32 seconds from each activity to ``time`` (batch,); 0 where masked."""
    return (time.unsqueeze(1) - activities.time).float() / SECOND * activities.mask


def relative_time(activities: Activities, time: Tensor) -> Tensor:
    """(batch, N) int64 microseconds from ``time`` (batch,) to each activity, below 0; 0 where masked."""
    return (activities.time - time.unsqueeze(1)) * activities.mask


def draw_member_states(
    count: int, state: TrainedState, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """(count,) int64 out of FRESH, STALE and FROZEN, one per slice, in the shares of ``TrainingConfig.state``."""
    if state != "mixed":
        return torch.full((count,), FROZEN if state == "frozen" else FRESH, device=device)
    chance = torch.rand(count, device=device, generator=generator)
    return (chance >= 0.5).long() + (chance >= 0.75).long()


@dataclass
class Tokens:
    """The encoders' output for a batch, one row per seed."""

    member: Tensor
    """(B, H, w)."""
    activities: Tensor
    """(B, N, w)."""
    mask: Tensor
    """(B, N) bool."""
    item: Tensor
    """(B, H, w)."""


def encode(ranker: Family, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tokens:
    """The tokens of a batch; ``table``: ``Family.input_table``, (states, w)."""
    activities = ranker.activity_tokens(encoded, batch.activities, batch.member_time, table)
    return Tokens(
        member=_spread(ranker.member_tokens(encoded, batch.member, table), batch.slice),
        activities=_spread(activities, batch.slice),
        mask=_spread(batch.activities.mask, batch.slice),
        item=ranker.item_tokens(encoded, batch.item, table),
    )


def decoder_inputs(batch: Batch, tokens: Tokens) -> DecoderInputs:
    """What the decoder reads of a batch of B seeds: slates of one candidate, (B, 1, ...)."""
    return DecoderInputs(
        member_tokens=tokens.member,
        activity_tokens=tokens.activities,
        activity_age=batch.age,
        activity_mask=tokens.mask,
        item_tokens=tokens.item.unsqueeze(1),
        numbers=batch.numbers,
        categories=batch.categories,
        surface=batch.surface,
        hour=batch.hour,
        weekday=batch.weekday,
        state_age=batch.state_age,
        activity_time=batch.activity_time,
    )


def decode(ranker: Family, batch: Batch, tokens: Tokens) -> Tensor:
    """Logits (B, T) of a batch, from its tokens."""
    logits: Tensor = ranker(decoder_inputs(batch, tokens))
    return logits.squeeze(1)


def score(ranker: Family, encoded: EncodedGraph, batch: Batch, table: Tensor | None = None) -> Tensor:
    """Logits (B, T) of a batch, by encoder and decoder; ``table``: ``Family.input_table``, (states, w)."""
    return decode(ranker, batch, encode(ranker, encoded, batch, table))


def _spread(states: Tensor, slice_of: Tensor | None) -> Tensor:
    """(S, ...) member states -> (B, ...), one per seed."""
    return states if slice_of is None else states[slice_of]
