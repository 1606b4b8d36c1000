"""The model's sizes and choices. A plain dataclass: a GPU image reads it from JSON without pydantic."""

from dataclasses import dataclass
from typing import ClassVar, Literal

TaskWeighting = Literal["fixed", "uncertainty"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder and the decoder (LiGNN, arXiv 2402.11139), and a switch for each ingredient."""

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
    """Width of the bottom that the tasks' heads share, or of each expert."""
    dropout: float = 0.1
    """Dropout in the aggregation, the transformer and the heads."""
    id_dropout: float = 0.1
    """Share of ID embeddings replaced by the cold one in training, so that the cold path is trained."""
    cross_layers: int = 2
    """Layers of the cross network over the features of impression, member and item, fused late (DCNv2); 0 = none."""
    pieces: int = 0
    """Pieces into which each number of the impression, the member and the item is cut for the layers that read them
    (piecewise linear encoding, Gorishniy et al. 2022); 0 = as they are."""
    experts: int = 0
    """Experts that the tasks mix, each by a gate of its own (MMoE); 0 = all tasks share one bottom."""
    task_weighting: TaskWeighting = "fixed"
    """Weights of the tasks' losses: the spec's, or those times what each task's noise, learned, suggests."""
    long_term: int = 0
    """N2: how many of the last activities are predicted from the output before them (LiGNN: 10); 0 = none. Goes with
    ``sequence``."""
    graph: bool = True
    """Trees around member and item; off: their tokens come from the node's own features alone."""
    sequence: bool = True
    """The member's activities and the transformer; off: no activity is read or stored, member and item tokens go
    straight to the heads."""
    item_neighbours: bool = True
    """Neighbours of what was acted on, inside the sequence."""
    positions: bool = True
    """Positions of the sequence's tokens."""
    time_gaps: bool = True
    """How long ago each activity was."""
    prefix_causal: bool = True
    """Prefix-causal mask; off: all tokens of the prefix see each other."""
    attention: bool = True
    """Attention over neighbours; off: their mean."""
    separate_encoders: bool = True
    """Member and item side aggregate with weights of their own; off: with the same."""
    id_embeddings: bool = True
    """Hashed ID embeddings, where the spec gives a node type ``id_buckets``."""
    edge_attributes: bool = True
    """What an edge itself says beside its type and age (the spec's ``attributes``)."""
    matching: bool = True
    """Soft counts of the activities that the candidate fits, by action and age."""
    overlap: bool = True
    """Exact counts of what the neighbourhoods of member and item have in common; goes with ``graph``."""
    profiles: bool = True
    """Member's and item's own features beside their tokens, where they meet the counters."""
    counters: bool = True
    """The impression's own features: counters and context."""
