"""``Ranker``: encoders of member and item sides whose tokens can be stored, and a light decoder that ranks a slate."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.graph.schema import GraphSchema
from models.graph.tree import Activities, Tree
from models.nn.activity import ActivityEncoder
from models.nn.age import AGE_FEATURES, age_features
from models.nn.aggregation import Aggregation, walk
from models.nn.bounds import check
from models.nn.config import ModelConfig
from models.nn.context import Context
from models.nn.encoded import EncodedGraph, unknown_node
from models.nn.encoders import NodeEncoder
from models.nn.encoding import Encoding
from models.nn.heads import TaskHeads
from models.nn.long_term import LongTerm
from models.nn.matching import Matching
from models.nn.overlap import Overlap
from models.nn.profile import Profile
from models.nn.sequence import SequenceDecoder


class Ranker(nn.Module):
    """The model. B = batch, C = candidates of a slate, N = ``sequence_length``, w = width, T = tasks.

    H = rows of either side's tokens: ``graph_tokens`` learned ones, then the hashed keys that ``Overlap`` counts, then
    the node's own features (``Profile``).
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        """Raises ConfigError for a configuration that cannot be used."""
        super().__init__()
        check(config)
        self.config, self.schema, self.encoding = config, schema, encoding
        self.inputs = nn.ModuleDict(
            {node.name: NodeEncoder(config, node, encoding.nodes[node.name]) for node in schema.nodes}
        )
        walked = schema if config.graph else replace(schema, edges=(), pageranks=())
        member, item = schema.seeds.member, schema.seeds.item
        roots = (member,) if config.separate_encoders else (member, item)
        self.member_side = Aggregation(config, walked, encoding, *roots)
        self.own_item_side = Aggregation(config, walked, encoding, item) if config.separate_encoders else None
        self.targets = schema.targets
        self.activities = ActivityEncoder(config, schema, encoding) if config.sequence else None
        self.age = nn.Linear(AGE_FEATURES, config.width) if config.sequence else None
        self.sequence = SequenceDecoder(config) if config.sequence else None
        self.member_profile = Profile(encoding.nodes[member], config.width, config.profiles)
        self.item_profile = Profile(encoding.nodes[item], config.width, config.profiles)
        self.context = Context(config, encoding, self.member_profile.outputs + self.item_profile.outputs)
        self.fuse = nn.Linear(config.width, config.width)
        self.matching = Matching(config) if config.matching and config.sequence else None
        self.overlap = Overlap(walked if config.overlap else replace(schema, edges=(), pageranks=()), config.width)
        self.heads = self.new_heads(len(schema.seeds.tasks))
        self.long_term = LongTerm(config) if config.long_term and config.sequence else None
        spread = torch.zeros(len(schema.seeds.tasks))
        self.task_spread: nn.Parameter | None = nn.Parameter(
            spread, requires_grad=config.task_weighting == "uncertainty"
        )
        """Logarithm of each task's variance (Kendall, Gal, Cipolla 2018); stays 0 where losses have fixed weights."""

    def new_heads(self, tasks: int) -> TaskHeads:
        """Heads for so many tasks, not trained yet."""
        matches = self.matching.outputs if self.matching else 0
        return TaskHeads(self.config, matches + len(self.overlap.pairs), self.context.crossed, tasks)

    @property
    def item_side(self) -> Aggregation:
        """The item's encoder: its own, or the member's."""
        return self.own_item_side or self.member_side

    @property
    def hops(self) -> int | None:
        """How far trees have to reach; None = as far as the schema says."""
        return None if self.config.graph else 0

    @property
    def sequence_length(self) -> int:
        """N: how many of a member's last activities are read; 0 where ``sequence`` is off."""
        return self.config.activities if self.sequence else 0

    @property
    def rows(self) -> tuple[int, int]:
        """H of a member's, and of an item's, tokens."""
        shared = self.config.graph_tokens + self.overlap.rows
        return shared + self.member_profile.rows, shared + self.item_profile.rows

    def input_table(self, encoded: EncodedGraph) -> Tensor:
        """(states, w): the input of every node state of the graph. Where many batches are read from one graph, compute
        it once and hand it to the ``*_tokens`` methods; without it they compute the states that they meet."""
        return torch.cat([self.inputs[node](nodes) for node, nodes in encoded.nodes.items()])

    def member_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the member side's tokens; ``table`` as ``input_table`` gives it."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.member)
        profile = self._profile(self.member_profile, encoded, tree)
        return torch.cat([self._tokens(self.member_side, encoded, tree, table), keys, profile], dim=1)

    def item_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the item side's tokens."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.item)
        profile = self._profile(self.item_profile, encoded, tree)
        return torch.cat([self._tokens(self.item_side, encoded, tree, table), keys, profile], dim=1)

    def cold_member_tokens(self) -> Tensor:
        """(H, w): the tokens of a member of whom nothing is known: those of the unknown node's empty tree."""
        return self._cold_tokens(self.member_side, self.member_profile, self.schema.seeds.member)

    def cold_item_tokens(self) -> Tensor:
        """(H, w): the tokens of an item of which nothing is known."""
        return self._cold_tokens(self.item_side, self.item_profile, self.schema.seeds.item)

    def activity_tokens(
        self, encoded: EncodedGraph, activities: Activities, time: Tensor, table: Tensor | None = None
    ) -> Tensor:
        """(B, N, w): content and action of each activity as of ``time`` (B,), not its own time; 0 where masked, and
        everywhere where ``sequence`` is off."""
        if self.activities is None:
            return torch.zeros(*activities.mask.shape, self.config.width, device=time.device)
        return self.activities(encoded, activities, time, lambda state: self._look_up(encoded, state, table))

    def decode(
        self,
        member_tokens: Tensor,
        activity_tokens: Tensor,
        activity_age: Tensor,
        activity_mask: Tensor,
        item_tokens: Tensor,
        numbers: Tensor,
        categories: Tensor,
        surface: Tensor,
        hour: Tensor,
        weekday: Tensor,
        state_age: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, C, T) of a slate per member; each candidate sees the prefix and itself only.

        ``member_tokens`` (B, H, w), ``activity_tokens`` (B, N, w), ``activity_age`` (B, N) float32 seconds before the
        request, ``activity_mask`` (B, N) bool, ``item_tokens`` (B, C, H, w), ``numbers`` (B, C, F) float32 and
        ``categories`` (B, C, K) int64 as ``Encoding`` gives them, ``surface`` (B,) int64 (-1 = unknown), local ``hour``
        (B,) 0 to 23 and ``weekday`` (B,) 0 (Monday) to 6, ``state_age`` (B,) float32 seconds from the moment as of
        which the member's tokens and activities were read to the request (None = 0: fresh).
        """
        slate = item_tokens.shape[1]
        member_tokens, member_keys, member_rows = self._cut(member_tokens)
        item_tokens, item_keys, item_rows = self._cut(item_tokens)
        overlap = self.overlap(member_keys, item_keys)
        of_member = self.member_profile(member_rows).unsqueeze(1).expand(-1, slate, -1)
        profiles = torch.cat([of_member, self.item_profile(item_rows)], dim=-1)
        if state_age is None:
            state_age = activity_age.new_zeros(len(activity_age))
        early, late, crossed = self.context(numbers, categories, surface, hour, weekday, state_age, profiles)
        candidates = item_tokens + self.fuse(early).unsqueeze(2)
        age = self._age(activity_age)
        if self.sequence and self.age:
            summary, tokens = self.sequence(member_tokens, activity_tokens + self.age(age), activity_mask, candidates)
        else:
            summary, tokens = member_tokens.mean(dim=1).repeat(1, 2), candidates
        matches = [overlap]
        if self.matching:
            matches.append(self.matching(member_tokens, activity_tokens, age, activity_mask, item_tokens))
        return self.heads(summary, tokens, torch.cat(matches, dim=-1), late, crossed)

    def long_term_loss(self, activity_tokens: Tensor, activity_age: Tensor, activity_mask: Tensor) -> Tensor:
        """The loss () of foretelling the last N2 activities (``LongTerm``), summed over rows; arguments as ``decode``
        has them. 0 where ``long_term`` or ``sequence`` is off."""
        if not (self.sequence and self.age and self.long_term):
            return activity_tokens.new_zeros(())
        before = slice(0, -self.config.long_term)
        aged = activity_tokens[:, before] + self.age(self._age(activity_age[:, before]))
        output = self.sequence.last_output(aged, activity_mask[:, before])
        return self.long_term(output, activity_tokens, activity_mask)

    def _age(self, activity_age: Tensor) -> Tensor:
        return age_features(activity_age if self.config.time_gaps else torch.zeros_like(activity_age))

    def _cut(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The learned tokens, the keys and the profile, along the last dimension but one."""
        learned, keys = self.config.graph_tokens, self.overlap.rows
        return tokens[..., :learned, :], tokens[..., learned : learned + keys, :], tokens[..., learned + keys :, :]

    def _profile(self, profile: Profile, encoded: EncodedGraph, tree: Tree) -> Tensor:
        """(B, rows, w): what is known of the tree's roots."""
        nodes = encoded.nodes[tree.node]
        return profile.pack(nodes, encoded.state(tree.node, tree.index, tree.time) - nodes.first)

    def _cold_tokens(self, side: Aggregation, profile: Profile, node: str) -> Tensor:
        """Masked branches say nothing to their parent, so that a tree without branches stands for all empty ones."""
        unknown = unknown_node(self.encoding.nodes[node])
        tokens = side(self.inputs[node](unknown), {}, iter(()), {})
        keys = tokens.new_zeros(1, self.overlap.rows, self.config.width)
        state = torch.zeros(1, dtype=torch.int64)
        return torch.cat([tokens, keys, profile.pack(unknown, state)], dim=1)[0]

    def _tokens(self, side: Aggregation, encoded: EncodedGraph, tree: Tree, table: Tensor | None) -> Tensor:
        states = [encoded.state(tree.node, tree.index, tree.time)]
        states += [encoded.state(self.targets[edge], b.index, b.time) for edge, b in walk(tree.branches)]
        # One look-up for the whole tree: its gradient is then one pass over the table, not one per branch.
        found = self._look_up(encoded, torch.cat([state.flatten() for state in states]), table)
        parts = found.split([state.numel() for state in states])
        places: Iterator[Tensor] = (
            part.unflatten(0, state.shape) for part, state in zip(parts[1:], states[1:], strict=True)
        )
        return side(parts[0], tree.branches, places, encoded.edges)

    def _look_up(self, encoded: EncodedGraph, state: Tensor, table: Tensor | None) -> Tensor:
        """(..., w): the inputs of node states, (...) int64 among all types; each is computed once."""
        if table is not None:
            return nn.functional.embedding(state, table)
        met = torch.zeros(encoded.states, dtype=torch.bool, device=state.device)
        met[state.flatten()] = True
        rows, place = met.nonzero().flatten(), met.cumsum(0) - 1
        parts = []
        for name, nodes in encoded.nodes.items():
            of_type = rows[(rows >= nodes.first) & (rows < nodes.first + len(nodes))]
            parts.append(self.inputs[name](nodes, of_type - nodes.first))
        return nn.functional.embedding(place[state], torch.cat(parts))
