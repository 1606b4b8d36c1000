"""DCNv2 (Wang et al. 2021, "DCN V2: Improved Deep & Cross Network", section 3): features, no sequence, no graph."""

import torch
from torch import Tensor, nn

from models.baselines.features import Features, perceptron
from models.graph.schema import GraphSchema
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.training.batches import Batch

_LAYERS = 3
_WIDTH, _DROPOUT = 128, 0.1


class CrossRanker(nn.Module):
    """The parallel structure (figure 1b): cross layers x_{l+1} = x_0 * (W x_l + b) + x_l with full matrices, and a deep
    network in parallel; one linear layer combines both."""

    activities = 1

    def __init__(self, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__()
        self.features = Features(schema, encoding)
        inputs, tasks = self.features.width, len(schema.seeds.tasks)
        self.cross = nn.ModuleList(nn.Linear(inputs, inputs) for _ in range(_LAYERS))
        self.deep = perceptron(inputs, _WIDTH, _WIDTH, _DROPOUT)
        self.tasks = nn.Linear(inputs + _WIDTH, tasks)

    def forward(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Logits (B, T)."""
        first = self.features(encoded, batch)
        crossed = first
        for layer in self.cross:
            crossed = first * layer(crossed) + crossed
        return self.tasks(torch.cat([crossed, self.deep(first)], dim=1))
