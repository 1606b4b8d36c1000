"""``Family``: what a family of rankers offers to training, artifact, store and endpoint (``model.family``).

Everything outside of ``models.nn`` knows a ranker by this protocol alone, and builds one by ``models.nn.build``. A
family encodes members, items and what the members did as tokens that can be stored, and scores a slate from these
alone. Its keys are in ``ModelConfig``.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Activities, Tree
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.nn.inputs import DecoderInputs
from models.nn.long_term import LongTerm
from models.nn.overlap import Overlap


class ActivitySource(Protocol):
    """Finds what members did in one graph."""

    def activities(self, member: Tensor, time: Tensor, count: int) -> Activities:
        """The last ``count`` of ``member`` (batch,) strictly before ``time`` (batch,), int64, oldest first."""


class Heads(Protocol):
    """The last layers, from what the decoder has found out to one logit per task; a module of torch."""

    def shift(self, by: Tensor) -> None:
        """Add ``by`` (T,) to the logits from now on."""

    def to(self, device: torch.device | str) -> Self:
        """Move the weights."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Logits (B, C, T)."""


class Family(Protocol):
    """A ranker. B = batch, C = candidates of a slate, N = ``sequence_length``, w = width, T = tasks.

    H = rows of a side's tokens, ``rows``; the last ones are the node's features (``ProfileLayout``), where the
    configuration's ``profiles`` is on. A family's modules are those of torch.
    """

    config: ModelConfig
    schema: GraphSchema
    encoding: Encoding
    heads: Heads
    long_term: LongTerm | None
    """None = ``long_term_loss`` is 0."""
    task_spread: nn.Parameter | None
    """(T,) logarithm of each task's variance, by which its loss is scaled; None = none is."""
    training: bool

    @property
    def overlap(self) -> Overlap | None:
        """Counts the nodes that the trees of member and item share, whose keys lie in the tokens; None = no keys."""

    @property
    def hops(self) -> int | None:
        """Depth of the trees that the encoders read; None = as in the schema."""

    @property
    def recordable(self) -> bool:
        """Whether a training step may be recorded as a CUDA graph."""

    @property
    def sequence_length(self) -> int:
        """N: places of the stored activities; 0 = none are read."""

    @property
    def rows(self) -> tuple[int, int]:
        """H of the member side and H of the item side."""

    def activity_source(self, graph: TemporalGraph) -> ActivitySource:
        """Finds the activities that the family reads."""

    def activity_kinds(self, schema: GraphSchema) -> list[tuple[str, str]]:
        """Name and target's node type of each value of ``Activities.edge``, in a graph of that schema."""

    def input_table(self, encoded: EncodedGraph) -> Tensor:
        """(states, w): the input of every node state of the graph."""

    def member_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w) of B trees; ``table``: ``input_table``."""

    def item_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w) of B trees; ``table``: ``input_table``."""

    def activity_tokens(
        self, encoded: EncodedGraph, activities: Activities, time: Tensor, table: Tensor | None = None
    ) -> Tensor:
        """(B, N, w), 0 where masked, of activities as of ``time`` (B,); ``table``: ``input_table``."""

    def cold_member_tokens(self) -> Tensor:
        """(H, w): of an unknown member."""

    def cold_item_tokens(self) -> Tensor:
        """(H, w): of an unknown item."""

    def forward(self, inputs: DecoderInputs) -> Tensor:
        """Logits (B, C, T) of one slate per member. No candidate depends on another."""

    def __call__(self, inputs: DecoderInputs) -> Tensor:
        """As ``forward``, (B, C, T)."""

    def long_term_loss(self, activity_tokens: Tensor, activity_age: Tensor, activity_mask: Tensor) -> Tensor:
        """A loss () of activities (B, N, w), (B, N), (B, N) alone, summed over rows."""

    def new_heads(self, tasks: int) -> Heads:
        """Untrained ``heads`` for ``tasks`` tasks."""

    def modules(self) -> Iterator[nn.Module]:
        """All modules within."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, of any shape."""

    def state_dict(self) -> dict[str, Any]:
        """All weights by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take weights by name."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""

    def train(self, mode: bool = True) -> Self:
        """Set the mode."""

    def eval(self) -> Self:
        """Set the mode of evaluation."""

    def to(self, device: torch.device | str) -> Self:
        """Move the weights."""
