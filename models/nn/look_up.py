"""Inputs of node states: read from a table of all of them, or computed for those that are needed."""

import torch
from torch import Tensor, nn

from models.nn.encoded import EncodedGraph


def look_up(inputs: nn.ModuleDict, encoded: EncodedGraph, state: Tensor, table: Tensor | None) -> Tensor:
    """(..., w): the inputs of node states (...) int64, rows among all types; each state is computed once.

    ``inputs``: the ``NodeEncoder`` of each type; ``table`` (states, w): all of them, None = not computed yet.
    """
    if table is not None:
        return nn.functional.embedding(state, table)
    used = torch.zeros(encoded.states, dtype=torch.bool, device=state.device)
    used[state.flatten()] = True
    rows, place = used.nonzero().flatten(), used.cumsum(0) - 1
    parts = []
    for name, nodes in encoded.nodes.items():
        of_type = rows[(rows >= nodes.first) & (rows < nodes.first + len(nodes))]
        parts.append(inputs[name](nodes, of_type - nodes.first))
    return nn.functional.embedding(place[state], torch.cat(parts))
