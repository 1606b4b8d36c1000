"""The model's sizes and choices. A plain dataclass: a GPU image reads it from JSON without pydantic."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder and the decoder (LiGNN, arXiv 2402.11139)."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    width: int = 32
    """Width of every token; a multiple of ``heads``."""
    graph_tokens: int = 4
    """H: tokens into which a node's aggregated neighbourhood is widened."""
    activities: int = 20
    """N: the member's last activities in the sequence; 1 or more."""
    layers: int = 1
    """Transformer layers."""
    heads: int = 4
    """Attention heads of the transformer (in the aggregation every graph token is a head of full width)."""
    head_width: int = 64
    """Width of the bottom that the tasks' heads share."""
    dropout: float = 0.1
    """Dropout in the aggregation, the transformer and the heads."""
    id_dropout: float = 0.1
    """Share of ID embeddings replaced by the cold one in training, so that the cold path is trained."""
