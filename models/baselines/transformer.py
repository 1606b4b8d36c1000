"""A sequence transformer without a graph: the member's last activities, then the candidate, under a causal mask.

It follows SASRec (Kang, McAuley 2018: causal, pre-norm) and BST (Chen et al. 2019: the candidate ends the sequence,
time gaps encode positions, other features join before the last layers).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.baselines.features import Features, NodeInputs, perceptron
from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema
from models.nn.activity import ActivityEncoder
from models.nn.age import AGE_FEATURES, age_features
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.training.batches import Batch

SIZES = ModelConfig(width=64, activities=50, layers=2, heads=4, dropout=0.1, head_width=64, item_neighbours=False)


class TransformerRanker(nn.Module):
    """A token per activity: the target node (features, hashed id), the action, the edge's attributes, and its age."""

    activities = SIZES.activities

    def __init__(self, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__()
        width = SIZES.width
        self.member, self.item = schema.seeds.member, schema.seeds.item
        self.features = Features(schema, encoding)
        self.inputs = NodeInputs(SIZES, schema, encoding)
        self.actions = ActivityEncoder(SIZES, schema, encoding)
        self.age = nn.Linear(AGE_FEATURES, width)
        self.position = nn.Parameter(torch.randn(SIZES.activities + 2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, SIZES.heads, 2 * width, SIZES.dropout, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, SIZES.layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = perceptron(width + self.features.width, len(schema.seeds.tasks), SIZES.head_width, SIZES.dropout)

    def forward(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Logits (B, T). The member's own token starts the sequence, so that it is never empty."""
        table = torch.cat(list(self.inputs(encoded).values()))
        member = table[encoded.node_state(self.member, batch.member.index, batch.member.time)]
        item = table[encoded.node_state(self.item, batch.item.index, batch.item.time)]
        activities, mask = batch.activities, batch.activities.mask
        acted = self.actions(encoded, activities, batch.member_time, lambda state: functional.embedding(state, table))
        acted = acted + self.age(age_features(batch.age))
        tokens = torch.cat([member.unsqueeze(1), acted, item.unsqueeze(1)], dim=1) + self.position  # (B, N + 2, w)
        length = tokens.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        seen = self.layers(tokens, mask=later, src_key_padding_mask=~functional.pad(mask, (1, 1), value=True))
        return self.head(torch.cat([seen[:, -1], self.features(encoded, batch)], dim=1))
