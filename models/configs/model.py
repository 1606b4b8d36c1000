"""``ModelConfig``: the model's sizes and switches. A plain dataclass, so that an image without pydantic can read it."""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from models.configs.bounds import Count, OptionalWeight, Positive, Share

FamilyName = Literal["graph", "sequence"]
TaskWeighting = Literal["fixed", "uncertainty"]
PositionEncoding = Literal["rope", "learned", "none"]
EngagementTokens = Literal["none", "outside", "all"]

OF_GRAPH = (
    *("graph_tokens", "long_term", "graph", "sequence", "positions", "time_gaps", "prefix_causal"),
    *("separate_encoders", "matching", "overlap"),
)
"""Keys that the family ``graph`` alone reads."""
OF_SEQUENCE = ("impressions", "position_encoding", "engagements", "linear_head")
"""Keys that the family ``sequence`` alone reads."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder and the decoder (LiGNN, arXiv 2402.11139), and a switch for each ingredient."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    family: FamilyName = "graph"
    """graph: trees around member and item, and what the member did last; sequence: a transformer over what the member
    was shown last and what came of it (docs/sequence.md). A key of the other family keeps its default."""
    width: Positive = 32
    """Width of every token; a multiple of ``heads``."""
    graph_tokens: Positive = 4
    """H: tokens into which a node's aggregated neighborhood is widened."""
    activities: Positive = 20
    """N: the member's last activities in the sequence; 1 or more. Family sequence: only kept for the rules."""
    layers: Positive = 1
    """Transformer layers."""
    heads: Positive = 4
    """Attention heads of the transformer (in the aggregation every graph token is a head of full width)."""
    head_width: Positive = 64
    """Width of the shared bottom of the tasks' heads, or of each expert."""
    dropout: Share = 0.1
    """Dropout in the aggregation, the transformer and the heads."""
    id_dropout: Share = 0.1
    """Share of ID embeddings replaced by the cold one in training, so that the cold embedding is trained."""
    cross_layers: Count = 2
    """Layers of the cross network (DCNv2) over the features of impression, member and item; 0 = none."""
    pieces: Count = 0
    """Pieces of the piecewise linear encoding (Gorishniy et al. 2022) of each number of impression, member and item;
    0 = plain numbers."""
    experts: Count = 0
    """Experts, mixed by one gate per task (MMoE); 0 = all tasks share one bottom."""
    task_weighting: TaskWeighting = "fixed"
    """fixed: the spec's weights of the tasks' losses; uncertainty: those, scaled by each task's learned noise."""
    long_term: Count = 0
    """N2: how many of the last activities the long-term loss predicts (LiGNN: 10); 0 = no such loss. Needs
    ``sequence``."""
    graph: bool = True
    """Trees around member and item; off: their tokens come from the node's features alone."""
    sequence: bool = True
    """The member's activities and the transformer; off: no activity is read or stored, and member and item tokens go
    straight to the heads."""
    item_neighbours: bool = True
    """Neighbors of each activity's target, in its token."""
    positions: bool = True
    """Learned position embeddings of the sequence."""
    time_gaps: bool = True
    """The age of each activity."""
    prefix_causal: bool = True
    """Prefix-causal mask; off: all tokens of the prefix attend to each other."""
    attention: bool = True
    """Attention over neighbors; off: their mean."""
    pagerank_attention: bool = False
    """The personalized PageRank between a member, or an item, and each neighbor of its first hop, in the attention's
    scores; needs ``graph`` and ``attention``. Some milliseconds more for each row that is trained or embedded."""
    separate_encoders: bool = True
    """Separate aggregation weights for member and item side; off: shared ones."""
    id_embeddings: bool = True
    """Hashed ID embeddings, where the spec gives a node type ``id_buckets``."""
    edge_attributes: bool = True
    """The edges' attributes (the spec's ``attributes``), beside type and age."""
    matching: bool = True
    """Soft counts of the activities that match the candidate, by action and age."""
    overlap: bool = True
    """Exact counts of the nodes that the neighborhoods of member and item share; needs ``graph``."""
    profiles: bool = True
    """Features of member and item beside their tokens, crossed with the counters."""
    counters: bool = True
    """The impression's features: counters and context."""
    impressions: Positive = 50
    """Family sequence: how many impressions a member's tokens hold, two tokens each; the last 2 N tokens are read."""
    position_encoding: PositionEncoding = "rope"
    """Family sequence: rope: rotary positions, so that distances count; learned: an embedding of each place; none."""
    engagements: EngagementTokens = "outside"
    """Family sequence: engagement edges that are tokens beside the impressions. outside: those before the train window
    and after the last one, where the graph holds no impressions; all: also those between; none."""
    linear_head: bool = False
    """Family sequence: one linear layer in place of cross network and experts."""
    trees: bool = False
    """Boosted trees beside the network, on what its decoder reads of a candidate; the logit is the weighted mean of
    both (``trees_weight``)."""
    trees_weight: OptionalWeight = None
    """The weight of the trees in that mean: 0 = the network alone, 1 = the trees alone. None = for each task the one
    nearest to 0.5 that is not worse on the validation rows than the best (by one standard error)."""

    def of_network(self) -> dict[str, Any]:
        """The keys that decide the network: all but those of the trees, which change no weight and no vector.

        Without those of another family: a model of the family graph is described as before there were two.
        """
        return {name: value for name, value in self.own().items() if not name.startswith("trees")}

    def own(self) -> dict[str, Any]:
        """All keys but those of another family."""
        left_out = ("family", *OF_SEQUENCE) if self.family == "graph" else OF_GRAPH
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def foreign(self) -> dict[str, Any]:
        """The defaults of the keys of another family that are set all the same, by key."""
        others = OF_SEQUENCE if self.family == "graph" else OF_GRAPH
        defaults = {field.name: field.default for field in fields(self)}
        return {name: defaults[name] for name in others if getattr(self, name) != defaults[name]}
