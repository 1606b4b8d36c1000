"""``Ranker``: encoders of member and item sides whose tokens can be stored, and a light decoder that ranks a slate."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from models.graph.schema import GraphSchema
from models.graph.tree import Activities, Tree
from models.nn.activity import ActivityEncoder
from models.nn.age import AGE_FEATURES, age_features
from models.nn.aggregation import Aggregation, walk
from models.nn.config import ModelConfig
from models.nn.encoded import EncodedGraph, unknown_node
from models.nn.encoders import NodeEncoder
from models.nn.encoding import Encoding
from models.nn.errors import ConfigError
from models.nn.heads import Context, TaskHeads
from models.nn.matching import Matching
from models.nn.overlap import Overlap
from models.nn.sequence import SequenceDecoder


class Ranker(nn.Module):
    """The model. B = batch, C = candidates of a slate, N = activities, w = width, T = tasks.

    H = rows of either side's tokens: ``graph_tokens`` learned ones, then the hashed keys that ``Overlap`` counts.
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        """Raises ConfigError where sizes do not fit together."""
        super().__init__()
        _check(config)
        self.config, self.schema, self.encoding = config, schema, encoding
        self.inputs = nn.ModuleDict(
            {n.name: NodeEncoder(n, encoding.nodes[n.name], config.width, config.id_dropout) for n in schema.nodes}
        )
        self.member_side = Aggregation(config, schema, schema.seeds.member)
        self.item_side = Aggregation(config, schema, schema.seeds.item)
        self.targets = schema.targets
        self.activities = ActivityEncoder(config, schema, encoding)
        self.age = nn.Linear(AGE_FEATURES, config.width)
        self.sequence = SequenceDecoder(config)
        self.context = Context(config, encoding)
        self.fuse = nn.Linear(config.width, config.width)
        self.matching = Matching(config)
        self.overlap = Overlap(schema, config.width)
        self.heads = TaskHeads(config, self.matching.outputs + len(self.overlap.pairs), len(schema.seeds.tasks))

    @property
    def rows(self) -> int:
        """H: rows of a member's, and of an item's, tokens."""
        return self.config.graph_tokens + self.overlap.rows

    def input_table(self, encoded: EncodedGraph) -> Tensor:
        """(states, w): the input of every node state of the graph. Where many batches are read from one graph, compute
        it once and hand it to the ``*_tokens`` methods; without it they compute the states that they meet."""
        return torch.cat([self.inputs[node](nodes) for node, nodes in encoded.nodes.items()])

    def member_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the member side's tokens; ``table`` as ``input_table`` gives it."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.member)
        return torch.cat([self._tokens(self.member_side, encoded, tree, table), keys], dim=1)

    def item_tokens(self, encoded: EncodedGraph, tree: Tree, table: Tensor | None = None) -> Tensor:
        """(B, H, w): the item side's tokens."""
        keys = self.overlap.keys(encoded.graph, tree, self.overlap.item)
        return torch.cat([self._tokens(self.item_side, encoded, tree, table), keys], dim=1)

    def cold_member_tokens(self) -> Tensor:
        """(H, w): the tokens of a member of whom nothing is known: those of the unknown node's empty tree."""
        return self._cold_tokens(self.member_side, self.schema.seeds.member)

    def cold_item_tokens(self) -> Tensor:
        """(H, w): the tokens of an item of which nothing is known."""
        return self._cold_tokens(self.item_side, self.schema.seeds.item)

    def activity_tokens(
        self, encoded: EncodedGraph, activities: Activities, time: Tensor, table: Tensor | None = None
    ) -> Tensor:
        """(B, N, w): content and action of each activity as of ``time`` (B,), not its own time; 0 where masked."""
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
        graph_tokens = self.config.graph_tokens
        overlap = self.overlap(member_tokens[:, graph_tokens:], item_tokens[:, :, graph_tokens:])
        member_tokens, item_tokens = member_tokens[:, :graph_tokens], item_tokens[:, :, :graph_tokens]
        if state_age is None:
            state_age = activity_age.new_zeros(len(activity_age))
        context = self.context(numbers, categories, surface, hour, weekday, state_age)  # (B, C, w)
        candidates = item_tokens + self.fuse(context).unsqueeze(2)
        age = age_features(activity_age)
        aged = activity_tokens + self.age(age)
        summary, tokens = self.sequence(member_tokens, aged, activity_mask, candidates)
        matches = self.matching(member_tokens, activity_tokens, age, activity_mask, item_tokens)
        return self.heads(summary, tokens, torch.cat([matches, overlap], dim=-1), context)

    def _cold_tokens(self, side: Aggregation, node: str) -> Tensor:
        """Masked branches say nothing to their parent, so that a tree without branches stands for all empty ones."""
        tokens = side(self.inputs[node](unknown_node(self.encoding.nodes[node])), {}, iter(()))[0]
        return nn.functional.pad(tokens, (0, 0, 0, self.overlap.rows))

    def _tokens(self, side: Aggregation, encoded: EncodedGraph, tree: Tree, table: Tensor | None) -> Tensor:
        states = [encoded.state(tree.node, tree.index, tree.time)]
        states += [encoded.state(self.targets[edge], b.index, b.time) for edge, b in walk(tree.branches)]
        # One look-up for the whole tree: its gradient is then one pass over the table, not one per branch.
        found = self._look_up(encoded, torch.cat([state.flatten() for state in states]), table)
        parts = found.split([state.numel() for state in states])
        places: Iterator[Tensor] = (
            part.unflatten(0, state.shape) for part, state in zip(parts[1:], states[1:], strict=True)
        )
        return side(parts[0], tree.branches, places)

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


def _check(config: ModelConfig) -> None:
    if config.width % config.heads:
        raise ConfigError(f"width: expected a multiple of heads ({config.heads}); found {config.width}")
    for name in ("width", "graph_tokens", "activities", "layers", "heads", "head_width"):
        if getattr(config, name) < 1:
            raise ConfigError(f"{name}: expected 1 or more; found {getattr(config, name)}")
    for name in ("dropout", "id_dropout"):
        if not 0 <= getattr(config, name) < 1:
            raise ConfigError(f"{name}: expected 0 or more and below 1; found {getattr(config, name)}")
