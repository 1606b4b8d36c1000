"""``SequentialRanker``: the family ``sequence``, a transformer over what a member was shown (Feed SR, 2602.12354)."""

from typing import cast

import torch
from torch import Tensor, nn

from models.configs.check import check
from models.configs.model import ModelConfig
from models.graph.impressions import KINDS, Impressions
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Activities, Tree
from models.nn.context import Columns
from models.nn.encoded import EncodedGraph, unknown_node
from models.nn.encoders import NodeEncoder
from models.nn.encoding import Encoding
from models.nn.family import Heads
from models.nn.history.head import LateHead
from models.nn.history.shared import SharedHistory, shared_slate
from models.nn.history.transformer import HistoryTransformer
from models.nn.impressions import ImpressionEncoder
from models.nn.inputs import DecoderInputs
from models.nn.long_term import LongTerm
from models.nn.look_up import look_up
from models.nn.overlap import Overlap
from models.nn.profile import Profile
from models.nn.start import reset_children

_MORE = 2**16
"""More tokens than rows that share a pass have beside those that are stored."""


class SequentialRanker(nn.Module):
    """The model. B = batch, C = candidates of a slate, N = ``sequence_length``, w = width, T = tasks.

    Stored activities are the member's last tokens (``ImpressionEncoder``), read as of their own times. H = rows of a
    side's tokens: the member's input or the item's content, then the node's features (``Profile``).
    """

    long_term: LongTerm | None = None
    overlap: Overlap | None = None

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        """Raises ConfigError if a key of ``config`` is invalid."""
        super().__init__()
        check(config)
        self.config, self.schema, self.encoding = config, schema, encoding
        self.inputs = nn.ModuleDict(
            {node.name: NodeEncoder(config, node, encoding.nodes[node.name]) for node in schema.nodes}
        )
        self.tokens = ImpressionEncoder(config, schema, encoding)
        self.history = HistoryTransformer(
            config.width, config.layers, config.heads, config.dropout, config.position_encoding, self._longest
        )
        self.member_profile = Profile(encoding.nodes[schema.seeds.member], config.width, config.profiles)
        self.item_profile = Profile(encoding.nodes[schema.seeds.item], config.width, config.profiles)
        self.columns = Columns(config, encoding, self.member_profile.outputs + self.item_profile.outputs)
        self.heads: Heads = self.new_heads(len(schema.seeds.tasks))
        spread = torch.zeros(len(schema.seeds.tasks))
        self.task_spread: nn.Parameter | None = nn.Parameter(
            spread, requires_grad=config.task_weighting == "uncertainty"
        )
        """(T,) logarithm of each task's variance (Kendall, Gal, Cipolla 2018); stays 0 where task weights are fixed."""

    def reset_parameters(self) -> None:
        """Reinitialize all weights, as the constructor does."""
        reset_children(self)
        if self.task_spread is not None:
            nn.init.zeros_(self.task_spread)

    def new_heads(self, tasks: int) -> LateHead:
        """Untrained heads for ``tasks`` tasks; they read the transformer's output, the member and the columns."""
        config, columns = self.config, self.config.width + self.columns.plain + self.columns.cut
        sizes = (config.head_width, config.cross_layers, config.experts, config.dropout)
        return LateHead(config.width, columns, tasks, *sizes, linear=config.linear_head)

    @property
    def hops(self) -> int:
        """Trees are their roots alone."""
        return 0

    @property
    def recordable(self) -> bool:
        """Never: a pass over a member's history has as many tokens as that has."""
        return False

    @property
    def sequence_length(self) -> int:
        """N: two tokens for each impression."""
        return 2 * self.config.impressions

    @property
    def rows(self) -> tuple[int, int]:
        """H of the member side and H of the item side."""
        return 1 + self.member_profile.layout.rows, 1 + self.item_profile.layout.rows

    def activity_source(self, graph: TemporalGraph) -> Impressions:
        """Finds the tokens of members."""
        return Impressions(graph, self.config.engagements)

    def activity_kinds(self, schema: GraphSchema) -> list[tuple[str, str]]:
        """Name and target's node type of the two tokens of an impression and of each engagement edge."""
        return [(kind, schema.seeds.item) for kind in KINDS] + [(e, schema.targets[e]) for e in schema.activity_edges]

    def input_table(self, encoded: EncodedGraph) -> Tensor:
        """(states, w): the input of every node state of the graph."""
        return torch.cat([self.inputs[node](nodes) for node, nodes in encoded.nodes.items()])

    def member_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): input and features of the members at the roots of ``tree``; ``table``: ``input_table``."""
        state = encoded.node_state(tree.node, tree.index, tree.time, tree.cold)
        found = look_up(self.inputs, encoded, state, table).unsqueeze(1)
        return torch.cat([found, self.member_profile.layout.pack_roots(encoded, tree)], dim=1)

    def item_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): content and features of the items at the roots of ``tree``; ``table``: ``input_table``."""
        found = self.tokens.items(encoded, tree, lambda state: look_up(self.inputs, encoded, state, table))
        return torch.cat([found.unsqueeze(1), self.item_profile.layout.pack_roots(encoded, tree)], dim=1)

    def activity_tokens(
        self, encoded: EncodedGraph, activities: Activities, time: Tensor, table: Tensor | None = None
    ) -> Tensor:
        """(B, N, w) tokens as of their own times, 0 where masked; ``time`` (B,) is not read."""
        found = self.tokens(encoded, activities, time, lambda state: look_up(self.inputs, encoded, state, table))
        return cast(Tensor, found)

    def cold_member_tokens(self) -> Tensor:
        """(H, w): the tokens of an unknown member."""
        return self._cold(self.member_profile, self.schema.seeds.member, nn.Identity())

    def cold_item_tokens(self) -> Tensor:
        """(H, w): the tokens of an unknown item; without neighbors its content is its input alone."""
        return self._cold(self.item_profile, self.schema.seeds.item, self.tokens.content)

    def forward(self, inputs: DecoderInputs) -> Tensor:
        """Logits (B, C, T) of one slate per member. No candidate depends on another."""
        history = self.history.encode(inputs.activity_tokens, inputs.activity_time, inputs.activity_mask)
        candidates = self.tokens.candidates(inputs.item_tokens[:, :, 0], inputs.surface)
        now = torch.zeros_like(inputs.surface)  # times count from the request
        return self._late(inputs, self.history.slate(history, candidates, now))

    def shared(self, inputs: DecoderInputs, history: SharedHistory) -> Tensor:
        """Logits (B, 1, T) as ``forward``, of B slates of one whose members' tokens lie in ``history`` instead.

        ``inputs.activity_*`` are not read. Each slate sees the last N tokens before its own moment, and these see all
        of their past in ``history``: where that has at most N tokens, the same logits.
        """
        candidates = self.tokens.candidates(inputs.item_tokens[:, :, 0], inputs.surface).squeeze(1)
        return self._late(inputs, shared_slate(self.history, history, candidates).unsqueeze(1))

    def long_term_loss(self, activity_tokens: Tensor, activity_age: Tensor, activity_mask: Tensor) -> Tensor:
        """0, a scalar: the tasks' losses at every impression are the loss over the sequence."""
        return activity_tokens.new_zeros(())

    @property
    def _longest(self) -> int:
        """Most tokens that the transformer is given: in shared passes more than are stored, but for learned places."""
        return self.sequence_length if self.config.position_encoding == "learned" else _MORE + self.sequence_length

    def _late(self, inputs: DecoderInputs, outputs: Tensor) -> Tensor:
        """Fuse the transformer's ``outputs`` (B, C, w) with all that is no token."""
        slate = outputs.shape[1]
        member = inputs.member_tokens.unsqueeze(1).expand(-1, slate, -1, -1)
        profiles = [self.member_profile(member[:, :, 1:]), self.item_profile(inputs.item_tokens[:, :, 1:])]
        columns, cut = self.columns.columns(inputs, torch.cat(profiles, dim=-1))
        return self.heads(outputs, torch.cat([member[:, :, 0], columns, cut], dim=-1))

    def _cold(self, profile: Profile, node: str, content: nn.Module) -> Tensor:
        device = next(self.parameters()).device
        unknown = unknown_node(self.encoding.nodes[node], device)
        state = torch.zeros(1, dtype=torch.int64, device=device)
        found = content(self.inputs[node](unknown)).unsqueeze(1)
        return torch.cat([found, profile.layout.pack(unknown, state)], dim=1)[0]
