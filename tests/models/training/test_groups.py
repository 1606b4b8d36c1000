"""Tables of semantic IDs learn at a rate of their own and are not decayed; without them there is one group."""

import torch
from torch import nn

from models.configs.training import TrainingConfig
from models.nn.semantic import HierarchicalEmbedding
from models.training.groups import parameter_groups, set_learning_rates

CONFIG = TrainingConfig(learning_rate=0.1, codes_learning_rate=0.4, weight_decay=0.2)


def test_tables_are_a_group_of_their_own() -> None:
    network = nn.ModuleList([nn.Linear(2, 3), HierarchicalEmbedding(2, 4, 5, 3)])
    optimizer = torch.optim.AdamW(parameter_groups(network, CONFIG))
    set_learning_rates(optimizer, 0.5)
    found = [(group["lr"], group["weight_decay"], len(group["params"])) for group in optimizer.param_groups]
    assert found == [(0.05, 0.2, 2), (0.2, 0.0, 2)]


def test_without_tables_there_is_one_group() -> None:
    (group,) = parameter_groups(nn.Linear(2, 3), CONFIG)
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.1, 0.2, 2)
    (empty,) = parameter_groups(nn.ModuleList(), CONFIG)
    assert empty["params"] == []
