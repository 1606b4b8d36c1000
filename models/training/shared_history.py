"""Batches of the family ``sequence``: training rows of one member share one pass over its tokens.

A row sees what is strictly before its own moment, so a pass over all tokens up to the LAST row's moment serves all of
them: the loss at every impression of the sequence that is a training row. Every row has as many places for its tokens
as when it is scored alone, else it could tell from a shorter past how much came after it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.impressions import Impressions
from models.graph.tree import Activities
from models.nn.encoded import EncodedGraph
from models.nn.history.shared import SharedHistory
from models.nn.sequential import SequentialRanker
from models.training.batches import Batch, Batches, MemberState, Tokens, decoder_inputs
from models.training.slices import Slices, one_each

_BETWEEN = 1024
"""Tokens between the first and the last row of a slice, beside four for each row, that are read."""
UNLIMITED = float("inf")
"""Hours between the first and the last row of a slice."""


def shares_history(model: ModelConfig, training: TrainingConfig) -> bool:
    """Whether rows of a member share a pass.

    Not with learned positions: these are counted from the oldest token, which is not the same for all rows.
    """
    return model.family == "sequence" and training.shared_history > 1 and model.position_encoding != "learned"


@dataclass
class SharedBatch:
    """A batch of B seeds of S members' slices."""

    rows: Batch
    """The seeds, each with a member state of its own and no activities."""
    activities: Activities
    """(S, L): all tokens that a row of the slice sees."""
    slices: Slices
    count: int
    """N: the tokens that a row sees at most."""

    @property
    def labels(self) -> Tensor:
        """(B, T) float32; NaN where undefined."""
        return self.rows.labels

    def logits(self, ranker: SequentialRanker, encoded: EncodedGraph, table: Tensor | None = None) -> Tensor:
        """(B, T), by encoder and decoder; ``table``: ``Family.input_table``, (states, w)."""
        rows, activities, of = self.rows, self.activities, self.slices.of
        last = activities.time[:, -1:]
        history = SharedHistory(
            tokens=ranker.activity_tokens(encoded, activities, rows.member_time, table),
            time=(activities.time - last) * activities.mask,
            mask=activities.mask,
            of=of,
            place=torch.arange(len(of), device=of.device) - self.slices.offsets[of],
            now=rows.member_time - last[of, 0],
            most=self.count,
            rows=int(self.slices.offsets.diff().max()),
        )
        none = rows.age.new_zeros(len(of), 0, ranker.config.width)
        tokens = Tokens(
            member=ranker.member_tokens(encoded, rows.member, table),
            activities=none,
            mask=rows.activities.mask,
            item=ranker.item_tokens(encoded, rows.item, table),
        )
        return ranker.shared(decoder_inputs(rows, tokens), history).squeeze(1)


class SharedBatches:
    """Makes batches out of one graph for one ranker of the family ``sequence``."""

    def __init__(self, encoded: EncodedGraph, source: Impressions, count: int) -> None:
        """``source``: of the tokens; ``count``: N, those that a row sees at most."""
        self.encoded, self.source, self.count = encoded, source, count
        self.rows = Batches(encoded, activities=0, hops=0)

    def make(
        self, slices: Slices, member_states: Tensor | MemberState = "as_of", lag: int = 0, draw: int = 0
    ) -> SharedBatch:
        """The batch of the seeds of S ``slices``; the arguments as in ``Batches.make``.

        Each of the (B,) rows has the member state of its slice, as of its own times.
        """
        of = slices.of
        states = member_states if isinstance(member_states, str) else member_states[of]
        rows = self.rows.make(one_each(slices.rows), states, lag, draw)
        member = self.encoded.graph.seeds.acting(slices.first)
        first, last = (self._of_slices(slices, rows.member_time, way) for way in ("amin", "amax"))
        between = self.source.count(member, first, last)
        # One member with very many engagements must not fill the memory: its earliest rows then see fewer tokens.
        most = min(_BETWEEN + 4 * int(slices.offsets.diff().max()), 2**16)
        longest = min(int(between.max()), most)
        return SharedBatch(rows, self.source.activities(member, last, self.count + longest), slices, self.count)

    @staticmethod
    def _of_slices(slices: Slices, values: Tensor, way: str) -> Tensor:
        """The least or the largest of ``values`` (B,) in each slice, (S,)."""
        return values.new_empty(len(slices)).scatter_reduce(0, slices.of, values, way, include_self=False)
