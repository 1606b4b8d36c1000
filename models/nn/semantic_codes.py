"""Semantic IDs among the categories of a node type: the tables of each, beside the plain categories."""

import torch
from torch import Tensor, nn

from models.graph.schema import NodeType
from models.nn.encoding import FeatureEncoding
from models.nn.semantic import HierarchicalEmbedding

_ROWS_PER_CODE, _LEAST_ROWS = 64, 1024
"""Rows of a table of prefixes for each code of a level."""


class SemanticCodes(nn.Module):
    """The sum of the hierarchical embeddings of a node type's semantic IDs.

    Their codes are the last categories, in the model's numbering, where 0 is a code that it does not know, such as one
    of another quantizer. A set of tables for each ID, since a code means something else in each.
    """

    def __init__(self, node: NodeType, features: FeatureEncoding, width: int) -> None:
        super().__init__()
        count = sum(len(names) for names in node.semantic)
        self.others = features.without_last(count)
        """The encoding without the codes."""
        self.start = len(self.others.categories)
        self.width, self.levels = width, [len(names) for names in node.semantic]
        expected = tuple(name for names in node.semantic for name in names)
        assert features.categories[self.start :] == expected, "the codes are the last categories"
        vocabularies, tables = features.vocabularies[self.start :], []
        for levels in self.levels:
            codes = max(1, *(len(values) for values in vocabularies[:levels]))
            tables.append(HierarchicalEmbedding(levels, codes, max(_LEAST_ROWS, _ROWS_PER_CODE * codes), width))
            vocabularies = vocabularies[levels:]
        self.tables = nn.ModuleList(tables)

    def forward(self, categories: Tensor) -> Tensor:
        """(n, all categories) int64 -> (n, width); 0 for a node without codes."""
        total = torch.zeros(len(categories), self.width, device=categories.device)
        codes = categories[:, self.start :].split(self.levels, dim=1) if self.levels else ()
        for table, own in zip(self.tables, codes, strict=True):
            total = total + table(own)
        return total
