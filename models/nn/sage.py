"""GraphSAGE (Hamilton, Ying, Leskovec 2017) on trees of fixed fan-out: mean aggregation, one weight per edge type.

The encoder of the baseline without time (``models.baselines.sage``) and of ``benchmarks.training_throughput``, not of
the ``Ranker``. On the same tree it equals PyG's ``HeteroConv`` of ``SAGEConv``.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.graph.schema import GraphSchema
from models.graph.tree import Branch, Tree
from models.nn.gather import mean_of_rows


class TreeSage(nn.Module):
    """Each layer: a linear map of a node's own state plus one of the mean neighbor per edge type, then ReLU.

    After layer l a node has seen l hops. The last layer, at the seeds alone, has no ReLU.
    """

    def __init__(self, schema: GraphSchema, sizes: Mapping[str, int], width: int, layers: int = 2) -> None:
        """``sizes``: columns of each node type's feature table. Trees need ``layers`` hops."""
        super().__init__()
        self.layers = layers
        self.targets = schema.targets

        def inputs(node: str, layer: int) -> int:
            return sizes[node] if layer == 0 else width

        self.own = nn.ModuleList(
            nn.ModuleDict({node.name: nn.Linear(inputs(node.name, layer), width) for node in schema.nodes})
            for layer in range(layers)
        )
        self.neighbour = nn.ModuleList(
            nn.ModuleDict(
                {edge.name: nn.Linear(inputs(edge.target, layer), width, bias=False) for edge in schema.branches}
            )
            for layer in range(layers)
        )

    def forward(self, tree: Tree, tables: Mapping[str, Tensor]) -> Tensor:
        """(batch, width) at the seeds; ``tables``: (nodes, size) features by node type, of any float type."""
        return self._state(self.layers, tree.node, tree.index.clamp(min=0), tree.branches, tables)

    def _state(
        self, layers: int, node: str, index: Tensor, branches: Mapping[str, Branch], tables: Mapping[str, Tensor]
    ) -> Tensor:
        """(nodes, width): the state of the nodes ``index`` (nodes,) int64 after the first ``layers`` layers."""
        layer = layers - 1
        own = self._map(self.own, layer, node)
        states = [self._state(layer, node, index, branches, tables) if layer else tables[node][index]]
        weights = [own.weight]
        for name, branch in branches.items():
            target = self.targets[name]
            if layer:
                below = self._state(layer, target, branch.index.flatten(), branch.branches, tables)
                mean = mean_of_states(below.unflatten(0, branch.index.shape), branch.mask)
            else:
                mean = mean_of_rows(tables[target], branch.index, branch.mask)
            states.append(mean)
            weights.append(self._map(self.neighbour, layer, name).weight)
        # One product over all edge types: the sum of their maps.
        state = functional.linear(torch.cat(states, dim=1), torch.cat(weights, dim=1), own.bias)
        return state if layers == self.layers else functional.relu(state)

    @staticmethod
    def _map(maps: nn.ModuleList, layer: int, name: str) -> nn.Linear:
        return cast(nn.Linear, cast(nn.ModuleDict, maps[layer])[name])


def mean_of_states(states: Tensor, mask: Tensor) -> Tensor:
    """(parents, fan_out, width), mask (parents, fan_out) bool -> (parents, width) mean; zeros where all are masked."""
    total = (states * mask.unsqueeze(-1)).sum(dim=1, dtype=torch.float32)
    return (total / mask.sum(dim=1, keepdim=True).clamp(min=1)).to(states.dtype)
