"""Laying rows out by owner (CSR): where each owner's rows begin, and the merged row of a member's activities."""

import numpy as np
import torch
from torch import Tensor

from models.graph.schema import GraphSchema
from models.graph.tensors import ActivityTensors, EdgeTensors


def csr_offsets(owner: np.ndarray, owners: int) -> Tensor:
    """(rows,) ascending owners -> (owners + 1,) int64: where each owner's rows begin."""
    return torch.from_numpy(np.searchsorted(owner, np.arange(owners + 1)).astype(np.int64))


def merge_activities(schema: GraphSchema, edges: dict[str, EdgeTensors]) -> ActivityTensors:
    """All of a member's engagement edges in one row, ordered by (member, time, edge type, row)."""
    members = schema.node(schema.seeds.member).count
    parts = [edges[name] for name in schema.activity_edges]
    empty = torch.zeros(0, dtype=torch.int64)
    owner = torch.cat([empty, *(torch.repeat_interleave(part.offsets.diff()) for part in parts)])
    moment = torch.cat([empty, *(part.time for part in parts)])
    kind = torch.cat([empty.int(), *(torch.full((len(part.time),), place).int() for place, part in enumerate(parts))])
    target = torch.cat([empty.int(), *(part.target for part in parts)])
    # Stable: what is equal in member and time keeps the order of edge types and rows.
    order = torch.from_numpy(np.lexsort((moment.numpy(), owner.numpy())))
    return ActivityTensors(
        offsets=csr_offsets(owner[order].numpy(), members), edge=kind[order], target=target[order], time=moment[order]
    )
