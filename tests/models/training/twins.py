"""Graphs whose seeds have cold twins."""

from dataclasses import replace

import pyarrow as pa
import torch

from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of


def with_twins(graph: TemporalGraph, every: int = 3, members: bool = False) -> TemporalGraph:
    """The graph in which every ``every``-th seed has a cold twin, with the impression's features missing.

    ``members``: the members of the twins are read as new, not the items; nothing knows those of every other twin.
    """
    seeds = graph.seeds
    rows = torch.arange(len(seeds))
    rows = torch.cat([rows, rows[::every]]).sort(stable=True).values
    cold = torch.cat([torch.zeros(1, dtype=torch.bool), rows.diff() == 0])
    kept = {name: tensor[rows] for name, tensor in tensors_of(seeds).items()}
    missing = {name: torch.where(cold.unsqueeze(1), torch.nan, kept[name]) for name in ("numbers", "frozen_numbers")}
    keys = seeds.keys.take(pa.array(rows.numpy()))
    own = {"cold": cold}
    if members:
        unknown = cold & (cold.cumsum(0) % 2 == 0)
        own |= {"cold_member": cold, "member": kept["member"].masked_fill(unknown, -1)}
    return replace(graph, seeds=replace(seeds, **{**kept, **missing, **own}, keys=keys))  # type: ignore[arg-type]
