"""Activity tokens: what a member acted on, the item's neighbors, and which action it was."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.tree import Activities
from models.nn.aggregation import branch_message
from models.nn.edges import ATTRIBUTES, AttributeEncoder, EdgeEncoder, attributes_of
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.nn.start import PassThrough, reset_children

LookUp = Callable[[Tensor], Tensor]
"""(n,) node states -> (n, w) node inputs."""
Content = Callable[[Tensor, Tensor], Tensor]
"""Nodes of one type (n,), -1 = unknown, and times (n,) -> (n, w) content as of those times."""


class ActivityEncoder(nn.Module):
    """Encodes each activity's target, action and edge attributes, but not its time.

    A target is the root of a small tree: one hop along its outgoing intrinsic edges, with their first fan-out (a post
    and its creator, a job and its company). Item-side neighbors in the sequence gain more than the mask or the
    positions (LiGNN, arXiv 2402.11139).
    """

    def __init__(self, config: ModelConfig, schema: GraphSchema, encoding: Encoding, *also: str) -> None:
        """``also``: node types that are encoded although no engagement leads to them."""
        super().__init__()
        self.width = config.width
        self.edges = encoding.activity_edges
        self.targets = schema.targets
        acted_on = {self.targets[name] for name in self.edges} | set(also)
        intrinsic = tuple(
            replace(edge, fan_out=edge.fan_out[:1])
            for edge in schema.edges
            if config.item_neighbours and edge.kind == "intrinsic" and edge.source in acted_on
            if edge.fan_out[:1] > (0,)
        )
        self.around = replace(schema, edges=intrinsic, pageranks=())
        self.around_edges = nn.ModuleDict(
            {edge.name: EdgeEncoder(attributes_of(config, encoding, edge.name)) for edge in intrinsic}
        )
        self.attention = nn.ModuleDict(
            {name: branch_message(config, cast(EdgeEncoder, edge).width) for name, edge in self.around_edges.items()}
        )
        self.acted_on = sorted(acted_on)
        self.of_type: Tensor
        of_type = [[self.targets[name] == node for name in self.edges] for node in self.acted_on]
        of_type_shape = len(self.acted_on), len(self.edges)
        self.register_buffer("of_type", torch.tensor(of_type, dtype=torch.bool).view(of_type_shape), persistent=False)
        self.content = PassThrough(config.width, config.width)
        self.action = nn.Embedding(max(len(self.edges), 1), config.width)
        attributes = {name: attributes_of(config, encoding, name) for name in self.edges}
        self.attributes = nn.ModuleDict({name: AttributeEncoder(a) for name, a in attributes.items() if a})
        self.said = nn.Linear(ATTRIBUTES, config.width, bias=False) if self.attributes else None
        self._separate()

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)
        self._separate()

    @torch.no_grad()
    def _separate(self) -> None:
        """Start action and attributes on separate halves of the width: dot products of content stay undisturbed."""
        self.action.weight[:, : self.width // 2] = 0.0
        if self.said:
            self.said.weight[: self.width // 2] = 0.0

    def forward(self, encoded: EncodedGraph, activities: Activities, time: Tensor, look_up: LookUp) -> Tensor:
        """(B, N, w), 0 where masked. ``time`` (B,) int64: as of when; ``look_up``: (n,) node states -> (n, w)."""
        batch, count = activities.edge.shape
        edge = activities.edge.flatten()
        if len(encoded.activity_edge):
            edge = encoded.activity_edge[edge]
        moment, target = time.repeat_interleave(count), activities.target.flatten()
        tokens = torch.zeros(batch * count, self.width, device=time.device)
        fill = fill_without_sync if time.is_cuda else fill_rows
        for place, node in enumerate(self.acted_on):
            chosen = self.of_type[place][edge] & activities.mask.flatten()
            tokens = fill(tokens, chosen, target, moment, partial(self._content, encoded, node, look_up))
        tokens = self.content(tokens) + self.action(edge)
        if self.said:
            tokens = tokens + self.said(self._attributes(encoded, edge, activities.row.flatten()))
        tokens = tokens.unflatten(0, (batch, count))
        # Masked places hold edge and row 0: their tokens must not reach anything.
        return tokens * activities.mask.unsqueeze(-1)

    def _attributes(self, encoded: EncodedGraph, edge: Tensor, row: Tensor) -> Tensor:
        """(n, ATTRIBUTES) encoded attributes; ``edge`` (n,): the position of the edge type in ``self.edges``."""
        total = torch.zeros(len(edge), ATTRIBUTES, device=edge.device)
        for name, encoder in self.attributes.items():
            own = edge == self.edges.index(name)
            total = total + encoder(encoded.edges[name], torch.where(own, row, 0)) * own.unsqueeze(1)
        return total

    def _content(
        self,
        encoded: EncodedGraph,
        node: str,
        look_up: LookUp,
        index: Tensor,
        time: Tensor,
        cold: Tensor | None = None,
    ) -> Tensor:
        """(n, w): nodes of one type and their neighbors, strictly before ``time`` (n,); ``cold`` (n,) bool: read so."""
        # The graph's own counts: it may have nodes that the training graph did not have yet.
        schema = replace(self.around, nodes=encoded.graph.schema.nodes)
        tree = Sampler(replace(encoded.graph, schema=schema)).tree(node, index, time)
        states = [encoded.node_state(node, index, time, cold)]
        states += [encoded.node_state(self.targets[name], b.index, b.time) for name, b in tree.branches.items()]
        found = look_up(torch.cat([state.flatten() for state in states]))
        root, *parts = found.split([state.numel() for state in states])
        content = root
        for (name, branch), part in zip(tree.branches.items(), parts, strict=True):
            neighbour = part.unflatten(0, branch.index.shape)
            edges = self.around_edges[name](branch, encoded.edges[name])
            content = content + self.attention[name](root, neighbour, branch.mask, edges).squeeze(1)
        return content


def fill_rows(tokens: Tensor, chosen: Tensor, target: Tensor, time: Tensor, content: Content) -> Tensor:
    """``tokens`` (n, w) with the content of ``target`` (n,) as of ``time`` (n,) in the rows ``chosen`` (n,) bool."""
    rows = torch.nonzero(chosen).flatten()
    return tokens.index_copy(0, rows, content(target[rows], time[rows]))


def fill_without_sync(tokens: Tensor, chosen: Tensor, target: Tensor, time: Tensor, content: Content) -> Tensor:
    """As ``fill_rows``, (n, w), but computed for all rows, with the unknown node in those not chosen.

    No size depends on a value, so a GPU need not report how many rows are chosen.
    """
    return torch.where(chosen.unsqueeze(1), content(torch.where(chosen, target, -1), time), tokens)
