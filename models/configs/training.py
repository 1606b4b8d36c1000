"""``TrainingConfig``: how a model is trained. A plain dataclass, so that an image without pydantic can read it."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from models.configs.bounds import Count, Large, NonNegative, Positive, PositiveFloat, Seed, Share

Precision = Literal["float32", "bfloat16"]
TrainedState = Literal["mixed", "as_of", "frozen"]


@dataclass(frozen=True)
class TrainingConfig:
    """Optimizer, length, early stopping, precision and batching."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    epochs: Positive = 4
    """Maximum number of epochs; early stopping on the validation window picks the number. The learning rate falls to
    zero over this many, even if training stops earlier."""
    patience: Count = 1
    """Epochs without a better validation AUC of the primary task before training stops."""
    task_tolerance: NonNegative = 0.002
    """A task other than the primary stops where its validation AUC is more than this below its best: in later epochs
    its loss counts 0, also in the final fit. 1 = no task stops by itself."""
    batch_size: Positive = 512
    """Seeds per optimizer step, over all processes and parts; with slices about as many, in whole slices."""
    learning_rate: PositiveFloat = 0.003
    """Peak learning rate of AdamW."""
    codes_learning_rate: PositiveFloat = 0.02
    """Peak learning rate of the tables of semantic IDs, which are not decayed; other weights have `learning_rate`."""
    weight_decay: NonNegative = 0.01
    """Weight decay of AdamW."""
    warmup: Share = 0.05
    """Share of all steps over which the learning rate rises to its peak."""
    gradient_norm: PositiveFloat = 1.0
    """Gradients with a larger norm are scaled down to it."""
    averaging: Share = 0.0
    """Decay per step of the moving average of the weights, which is validated and kept; 0 = the weights themselves."""
    cold_share: Share = 0.0
    """Share of the rows of train and validate that get a cold twin: a copy whose item is read as one that was never
    shown, without ID, counters, edges and views of behavior. The model then learns to score new items by their content,
    and validate's twins calibrate them. Only first exposures of an item to a member get one. Drawn when features are
    retrieved: retrieve again after a change. 0 = none."""
    cold_member_share: Share = 0.0
    """The same for members: the copy's member is read as one that was never seen, without ID, counters, collaborative
    rows, activities, edges and views of behavior; half of them without any view, as before a member's first vectors. A
    copy is cold on one side only. 0 = none."""
    member_lag_days: NonNegative = 1.0
    """Every training row has an earlier time, drawn once, up to this many days back, as of which its member may be read
    instead (``state``). Drawn when features are retrieved: retrieve again after a change."""
    state: TrainedState = "mixed"
    """The member state of training rows. mixed, drawn anew in every epoch: half fresh; a quarter with tokens and
    activities as of the earlier time, like vectors that are pushed now and then; a quarter with the member's counters
    as of then as well. One model then serves fresh and stale state. as_of: all fresh; frozen: all as of the earlier
    time."""
    history_events: Large = 0
    """Pre-training: the number of engagements of members with items before the train window whose action is predicted
    from what was known before them; drawn at random, each once before any twice. 0 = none."""
    long_term_weight: NonNegative = 0.1
    """Weight of the long-term loss (``model.long_term``) beside the tasks'."""
    seed: Seed = 7
    """Seed of initialization, order, dropout and the random choices of the sampler in training."""
    precision: Precision = "float32"
    """Data type of encoder and decoder in training; losses, weights, validation and serving stay float32."""
    compile: bool = False
    """Run the decoder through torch.compile in training: takes minutes at the start, for long trainings. On a CPU it
    needs a C++ compiler."""
    record: bool = True
    """On a GPU, record a step once and replay it (a CUDA graph), unless there are random strategies or PageRanks, seeds
    share slices or steps have several parts."""
    accumulate: Positive = 1
    """Parts of a process's share of a step, one after the other: the gradient is that of the whole step (except for the
    long-term loss, whose negatives come from the part), the memory that of a part. Processes exchange gradients once
    per step (LiGNN's local gradient aggregation)."""
    slice: Positive = 1
    """Maximum number of consecutive seeds of one member that share one member state: its tree, activities and encoding
    are computed once, as of the slice's earliest seed (LiGNN: 4). 1 = every seed has its own."""
    slice_hours: NonNegative = 24.0
    """Maximum hours from a slice's earliest seed to its latest: the maximum age of a shared state."""
    shared_history: Positive = 32
    """Family sequence: at most so many training rows of one member, in the order of their times, share one pass over
    the member's history, in which each row sees what is strictly before its own time. 1 = each has a pass of its
    own."""
    adaptive_neighbours: bool = False
    """Start with small fan-outs and grow them only when the validation AUC stops rising (LiGNN)."""
    first_neighbours: Positive = 2
    """Adaptive: neighbors per edge type and hop in the first epoch."""
    neighbour_stride: Positive = 20
    """Adaptive: neighbors added at a time."""
    most_neighbours: Positive = 200
    """Adaptive: maximum number of neighbors; the schema's fan-outs are never exceeded."""
    neighbour_tolerance: NonNegative = 0.002
    """Adaptive: the fan-outs grow unless the validation AUC rises by more than this in an epoch."""
    tolerance_decay: Share = 0.5
    """Adaptive: factor of the tolerance each time the fan-outs grow."""

    def of_family(self, family: str) -> dict[str, Any]:
        """The keys that a fit of that family reads; of ``graph`` those that there were before another one."""
        return {name: value for name, value in asdict(self).items() if (name, family) != ("shared_history", "graph")}
