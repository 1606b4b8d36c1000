"""What the model reads of a tree, with nodes by key: to compare the inputs from two graphs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from models.graph.tree import Branch, Tree
from models.nn.encoded import EncodedGraph


def tree_inputs(encoded: EncodedGraph, tree: Tree) -> Iterator[tuple[str, Tensor]]:
    """The seeds' own inputs, then those of every place of the tree."""
    yield from node_inputs(encoded, tree.node, tree.index, tree.time, tree.index >= -1)
    levels = [("", tree.branches)]
    while levels:
        above, branches = levels.pop()
        for edge, branch in branches.items():
            for name, value in branch_inputs(encoded, edge, branch):
                yield f"{above}{edge} {name}", value
            levels.append((f"{above}{edge} / ", branch.branches))


def branch_inputs(encoded: EncodedGraph, edge: str, branch: Branch) -> Iterator[tuple[str, Tensor]]:
    for name in ("mask", "edge_time", "weight", "delta"):
        yield name, getattr(branch, name)
    yield from end_inputs(encoded, edge, branch.index, branch.row, branch.time, branch.mask)


def end_inputs(
    encoded: EncodedGraph, edge: str, index: Tensor, row: Tensor, time: Tensor, mask: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """An edge's attributes, and the node it leads to as of ``time``; zeros where masked."""
    attributes = encoded.edges[edge]
    yield "attributes", (attributes.numbers[row * mask] * mask.unsqueeze(-1))
    yield "attribute categories", (attributes.categories[row * mask] * mask.unsqueeze(-1))
    yield from node_inputs(encoded, encoded.graph.schema.edge(edge).target, index, time, mask)


def node_inputs(
    encoded: EncodedGraph, node: str, index: Tensor, time: Tensor, mask: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Key and features of nodes as of ``time``; zeros where masked."""
    inputs = encoded.nodes[node]
    state = encoded.node_state(node, torch.where(mask, index, -1), time) - inputs.first
    yield "key", inputs.id_hash[state] * mask
    yield "features", inputs.numbers[state] * mask.unsqueeze(-1)
    yield "categories", inputs.categories[state] * mask.unsqueeze(-1)


def equal(one: Tensor, other: Tensor) -> bool:
    """Equal up to the last bits of scaled numbers: those of a logarithm depend on the size of the array."""
    if one.is_floating_point():
        return torch.allclose(one, other, rtol=0, atol=1e-6, equal_nan=True)
    return torch.equal(one, other)
