"""How a model is trained. A plain dataclass: a GPU image reads it from JSON without pydantic."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Precision = Literal["float32", "bfloat16"]
TrainedState = Literal["mixed", "as_of", "frozen"]


@dataclass(frozen=True)
class TrainingConfig:
    """Optimiser, length and the rules by which training stops."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    epochs: int = 4
    """Epochs at most; early stopping on the validation window picks the number. The learning rate falls to zero over
    this many, also where training stops earlier."""
    patience: int = 1
    """Epochs without a better validation AUC of the primary task before training stops."""
    batch_size: int = 512
    """Seeds per step of the optimiser, over all processes and parts; with slices about as many, in whole slices."""
    learning_rate: float = 0.003
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    warmup: float = 0.05
    """Share of all steps over which the learning rate rises to its peak."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm at most."""
    averaging: float = 0.0
    """The model that is validated and kept is a moving average of the weights, with this decay per step; 0 = none."""
    member_lag_days: float = 1.0
    """Every training row has an earlier moment, drawn once, at most this many days back, as of which its member may be
    read instead (``state``). Drawn when features are retrieved: retrieve again after a change."""
    state: TrainedState = "mixed"
    """Which state of its member a training row sees. mixed: fresh in half of the rows, drawn anew in every epoch; in a
    quarter tokens and activities as of the earlier moment, as where vectors are pushed now and then; in a quarter the
    member's counters as well. One model then holds for fresh and for stale state. as_of: fresh; frozen: all earlier."""
    history_events: int = 0
    """Pre-training: so many engagements of members with items before the train window, each to be told from what was
    known before it which action it was; drawn at random, each once before any twice. 0 = none."""
    long_term_weight: float = 0.1
    """Weight of the long-term loss (``model.long_term``) beside the tasks'."""
    seed: int = 7
    """Seed of initialisation, order, dropout and the random choices of the sampler in training."""
    precision: Precision = "float32"
    """What encoder and decoder compute in while training; losses, weights, validation and serving stay float32."""
    compile: bool = False
    """Training runs the decoder through torch.compile: minutes at the start, for long trainings. On a CPU it needs a
    C++ compiler."""
    record: bool = True
    """On a GPU a step is recorded once and replayed (a CUDA graph), unless there are random strategies or PageRanks,
    seeds share slices or steps are cut in parts."""
    accumulate: int = 1
    """Parts into which a process cuts its share of a step, one after the other: the gradient is that of the whole step
    (but for the long-term loss, whose negatives come from the part), the memory that of a part. Processes exchange
    gradients once per step (LiGNN's local gradient aggregation)."""
    slice: int = 1
    """Seeds of one member in a row that share one state of that member: its tree, activities and encoding are computed
    once, as of the slice's earliest seed (LiGNN: 4). 1 = every seed has its own."""
    slice_hours: float = 24.0
    """Hours from a slice's earliest seed to its latest, at most: how old a shared state may be."""
    adaptive_neighbours: bool = False
    """Fan-outs start small and grow only when the validation AUC stops rising (LiGNN)."""
    first_neighbours: int = 2
    """Adaptive: neighbours per edge type and hop at first."""
    neighbour_stride: int = 20
    """Adaptive: how many more at a time."""
    most_neighbours: int = 200
    """Adaptive: how many at most; the graph's own fan-outs are never exceeded."""
    neighbour_tolerance: float = 0.002
    """Adaptive: by how much the validation AUC has to rise in an epoch for the neighbours to stay as they are."""
    tolerance_decay: float = 0.5
    """Adaptive: what the tolerance is multiplied by whenever there are more neighbours."""
