"""``Ranker``: encoders of the member and item sides, whose tokens can be stored, and a light decoder for slates."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.configs.check import check
from models.configs.model import ModelConfig
from models.graph.ranks import place_ranks
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tree import Activities, Tree
from models.nn.activity import ActivityEncoder
from models.nn.age import AGE_FEATURES, age_features
from models.nn.aggregation import Aggregation, walk
from models.nn.context import Context
from models.nn.encoded import EncodedGraph, unknown_node
from models.nn.encoders import NodeEncoder
from models.nn.encoding import Encoding
from models.nn.family import Heads
from models.nn.heads import TaskHeads
from models.nn.inputs import DecoderInputs
from models.nn.long_term import LongTerm
from models.nn.look_up import look_up
from models.nn.matching import Matching
from models.nn.overlap import Overlap
from models.nn.profile import Profile, own_features
from models.nn.sequence import SequenceDecoder
from models.nn.start import reset_children


class Ranker(nn.Module):
    """The model. B = batch, C = candidates of a slate, N = ``sequence_length``, w = width, T = tasks.

    H = rows of a side's tokens: ``graph_tokens`` learned ones, then the hashed keys that ``Overlap`` counts, then the
    node's features (``Profile``). ``forward`` is the decoder; ``member_tokens``, ``item_tokens`` and
    ``activity_tokens`` are the encoders.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        """Raises ConfigError if a key of ``config`` is invalid."""
        super().__init__()
        check(config)
        self.config, self.schema, self.encoding = config, schema, encoding
        self.inputs = nn.ModuleDict(
            {node.name: NodeEncoder(config, node, encoding.nodes[node.name]) for node in schema.nodes}
        )
        branched = schema if config.graph else replace(schema, edges=(), pageranks=())
        member, item = schema.seeds.member, schema.seeds.item
        roots = (member,) if config.separate_encoders else (member, item)
        self.member_side = Aggregation(config, branched, encoding, *roots)
        self.own_item_side = Aggregation(config, branched, encoding, item) if config.separate_encoders else None
        self.targets = schema.targets
        self.activities = ActivityEncoder(config, schema, encoding) if config.sequence else None
        self.age = nn.Linear(AGE_FEATURES, config.width) if config.sequence else None
        self.sequence = SequenceDecoder(config) if config.sequence else None
        self.member_profile = Profile(own_features(schema, encoding, member), config.width, config.profiles)
        self.item_profile = Profile(own_features(schema, encoding, item), config.width, config.profiles)
        self.context = Context(config, encoding, self.member_profile.outputs + self.item_profile.outputs)
        self.fuse = nn.Linear(config.width, config.width)
        self.matching = Matching(config) if config.matching and config.sequence else None
        self.overlap = Overlap(branched if config.overlap else replace(schema, edges=(), pageranks=()), config.width)
        self.heads: Heads = self.new_heads(len(schema.seeds.tasks))
        self.long_term = LongTerm(config) if config.long_term and config.sequence else None
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

    def new_heads(self, tasks: int) -> TaskHeads:
        """Untrained heads for ``tasks`` tasks."""
        matches = self.matching.outputs if self.matching else 0
        return TaskHeads(self.config, matches + len(self.overlap.pairs), self.context.crossed, tasks)

    @property
    def item_side(self) -> Aggregation:
        """The item side's encoder; the member side's where both share one."""
        return self.own_item_side or self.member_side

    @property
    def ranks_places(self) -> bool:
        """Whether the encoders run a PageRank for each tree; the sizes of its tensors depend on their values."""
        return self.config.pagerank_attention and self.config.attention and self.config.graph

    @property
    def hops(self) -> int | None:
        """Hops that trees need; None = as in the schema."""
        return None if self.config.graph else 0

    @property
    def recordable(self) -> bool:
        """Not with PageRanks in the attention, whose tensors have sizes that depend on their values."""
        return not self.ranks_places

    @property
    def sequence_length(self) -> int:
        """N: how many of a member's last activities the model reads; 0 where ``sequence`` is off."""
        return self.config.activities if self.sequence else 0

    @property
    def rows(self) -> tuple[int, int]:
        """H of the member side and H of the item side."""
        shared = self.config.graph_tokens + self.overlap.rows
        return shared + self.member_profile.layout.rows, shared + self.item_profile.layout.rows

    def activity_source(self, graph: TemporalGraph) -> Sampler:
        """Finds the engagements of members."""
        return Sampler(graph)

    def activity_kinds(self, schema: GraphSchema) -> list[tuple[str, str]]:
        """Name and target's node type of each engagement edge of ``schema``."""
        return [(name, schema.targets[name]) for name in schema.activity_edges]

    def input_table(self, encoded: EncodedGraph) -> Tensor:
        """(states, w): the input of every node state of the graph.

        Compute it once for many batches of one graph and pass it to the ``*_tokens`` methods; without it they compute
        the inputs of the states in their batch.
        """
        return torch.cat([self.inputs[node](nodes) for node, nodes in encoded.nodes.items()])

    def member_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the member side's tokens of B trees; ``table``: ``input_table``."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.member)
        profile = self.member_profile.layout.pack_roots(encoded, tree)
        return torch.cat([self._tokens(self.member_side, encoded, tree, table), keys, profile], dim=1)

    def item_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the item side's tokens of B trees; ``table``: ``input_table``."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.item)
        profile = self.item_profile.layout.pack_roots(encoded, tree)
        return torch.cat([self._tokens(self.item_side, encoded, tree, table), keys, profile], dim=1)

    def cold_member_tokens(self) -> Tensor:
        """(H, w): the tokens of an unknown member: the unknown node with an empty tree."""
        return self._cold_tokens(self.member_side, self.member_profile, self.schema.seeds.member)

    def cold_item_tokens(self) -> Tensor:
        """(H, w): the tokens of an unknown item."""
        return self._cold_tokens(self.item_side, self.item_profile, self.schema.seeds.item)

    def activity_tokens(
        self, encoded: EncodedGraph, activities: Activities, time: Tensor, table: Tensor | None = None
    ) -> Tensor:
        """(B, N, w): content and action of each activity as of ``time`` (B,) int64, without its age.

        0 where masked, and everywhere where ``sequence`` is off. ``table``: ``input_table``.
        """
        if self.activities is None:
            return torch.zeros(*activities.mask.shape, self.config.width, device=time.device)
        return self.activities(encoded, activities, time, lambda state: look_up(self.inputs, encoded, state, table))

    def forward(self, inputs: DecoderInputs) -> Tensor:
        """Logits (B, C, T) of one slate per member. No candidate depends on another."""
        slate = inputs.item_tokens.shape[1]
        member_tokens, member_keys, member_rows = self._cut(inputs.member_tokens)
        item_tokens, item_keys, item_rows = self._cut(inputs.item_tokens)
        overlap = self.overlap(member_keys, item_keys)
        of_member = self.member_profile(member_rows).unsqueeze(1).expand(-1, slate, -1)
        profiles = torch.cat([of_member, self.item_profile(item_rows)], dim=-1)
        early, late, crossed = self.context(inputs, profiles)
        candidates = item_tokens + self.fuse(early).unsqueeze(2)
        age, mask = self._age(inputs.activity_age), inputs.activity_mask
        if self.sequence and self.age:
            aged = inputs.activity_tokens + self.age(age)
            summary, tokens = self.sequence(member_tokens, aged, mask, candidates)
        else:
            summary, tokens = member_tokens.mean(dim=1).repeat(1, 2), candidates
        matches = [overlap]
        if self.matching:
            matches.append(self.matching(member_tokens, inputs.activity_tokens, age, mask, item_tokens))
        return self.heads(summary, tokens, torch.cat(matches, dim=-1), late, crossed)

    def long_term_loss(self, activity_tokens: Tensor, activity_age: Tensor, activity_mask: Tensor) -> Tensor:
        """The loss () of predicting the last N2 activities (``LongTerm``), summed over rows.

        Arguments, (B, N, w), (B, N) and (B, N), as in ``DecoderInputs``. 0 where ``long_term`` or ``sequence`` is off.
        """
        if not (self.sequence and self.age and self.long_term):
            return activity_tokens.new_zeros(())
        before = slice(0, -self.config.long_term)
        aged = activity_tokens[:, before] + self.age(self._age(activity_age[:, before]))
        output = self.sequence.last_output(aged, activity_mask[:, before])
        return self.long_term(output, activity_tokens, activity_mask)

    def _age(self, activity_age: Tensor) -> Tensor:
        return age_features(activity_age if self.config.time_gaps else torch.zeros_like(activity_age))

    def _cut(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split (..., H, w) into learned tokens, keys and profile."""
        learned, keys = self.config.graph_tokens, self.overlap.rows
        return tokens[..., :learned, :], tokens[..., learned : learned + keys, :], tokens[..., learned + keys :, :]

    def _cold_tokens(self, side: Aggregation, profile: Profile, node: str) -> Tensor:
        """(H, w). Masked branches send nothing to their parent, so a tree without branches equals any empty tree."""
        device = self.fuse.weight.device
        unknown = unknown_node(self.encoding.nodes[node], device)
        tokens = side(self.inputs[node](unknown), {}, iter(()), {})
        keys = tokens.new_zeros(1, self.overlap.rows, self.config.width)
        state = torch.zeros(1, dtype=torch.int64, device=device)
        return torch.cat([tokens, keys, profile.layout.pack(unknown, state)], dim=1)[0]

    def _tokens(self, side: Aggregation, encoded: EncodedGraph, tree: Tree, table: Tensor | None) -> Tensor:
        states = [encoded.node_state(tree.node, tree.index, tree.time, tree.cold)]
        states += [encoded.node_state(self.targets[edge], b.index, b.time, b.cold) for edge, b in walk(tree.branches)]
        # One look-up for the whole tree: its gradient is one pass over the table, not one per branch.
        found = look_up(self.inputs, encoded, torch.cat([state.flatten() for state in states]), table)
        parts = found.split([state.numel() for state in states])
        places: Iterator[Tensor] = (
            part.unflatten(0, state.shape) for part, state in zip(parts[1:], states[1:], strict=True)
        )
        ranks = place_ranks(encoded.graph, self.schema, tree) if self.ranks_places else None
        return side(parts[0], tree.branches, places, encoded.edges, ranks)
