"""Groups of parameters with a learning rate of their own: the tables of semantic IDs beside all other weights."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from models.configs.training import TrainingConfig
from models.nn.semantic import HierarchicalEmbedding

PEAK = "peak"
"""Key of a group's peak learning rate."""


class Network(Protocol):
    """Modules and their weights: a module of torch, or a ``Family``."""

    def modules(self) -> Iterator[nn.Module]:
        """All modules within."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, of any shape."""


def parameter_groups(network: Network, config: TrainingConfig) -> list[dict[str, Any]]:
    """Groups for AdamW: all weights, then the tables of semantic IDs, if there are any.

    A table's row is in few batches, so it learns faster, and is not decayed in the batches between.
    """
    tables = [
        table
        for module in network.modules()
        if isinstance(module, HierarchicalEmbedding)
        for table in module.parameters()
    ]
    own = {id(table) for table in tables}
    rest = [weight for weight in network.parameters() if id(weight) not in own]
    groups: list[dict[str, Any]] = [_group(rest, config.learning_rate, config.weight_decay)]
    if tables:
        groups.append(_group(tables, config.codes_learning_rate, 0.0))
    return groups


def set_learning_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's learning rate to this share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group[PEAK] * share


def _group(weights: list[nn.Parameter], peak: float, decay: float) -> dict[str, Any]:
    return {"params": weights, "lr": peak, PEAK: peak, "weight_decay": decay}
