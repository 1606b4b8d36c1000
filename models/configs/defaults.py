"""Defaults that follow the data: what a spec does not give is decided from the size and sparsity of its data.

One pure function from a few counts to values and reasons; nothing else in the project decides any of them. Ingest calls
it, since the counts are known from the tables, and writes the values into the resolved spec (docs/model.md). What the
spec gives is never changed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig

FEW_ROWS = 20
"""Rows with which a member, or a key with an ID embedding, is known well; with fewer, more epochs memorize them."""
_EPOCHS = {"few": 2, "many": 4}
_STEPS = 100
"""Steps that an epoch should have at least."""
_BATCHES = (512, 1024, 2048, 4096)
_RATE, _RATE_BATCH = 0.003, 1024
_ACTIVITIES = (10, 20, 30, 40, 50)
_COLD_SHARE = 0.0
_TREE_ROWS = 2000
"""A tree of 31 leaves with 40 rows in each reads more than half of so many."""
_LEAST_BUCKETS, _MOST_BUCKETS = 64, 2**18


@dataclass(frozen=True)
class DataSize:
    """Counts of a product's tables. An impression is a row."""

    rows: int
    """Rows of the train window."""
    members: int
    """Members with a train row."""
    activities: float
    """80th percentile of a member's engagements before the train window ends; 0 without any."""


class Decision(NamedTuple):
    """A value, and why."""

    value: int | float | bool
    reason: str


def decide(size: DataSize, keys: Collection[str], model: ModelConfig, training: TrainingConfig) -> dict[str, Decision]:
    """Decide ``keys`` (``training.epochs``, ...) out of ``DECIDED``; ``model`` and ``training`` have what was given."""
    batch = _batch_size(size) if "training.batch_size" in keys else Decision(training.batch_size, "")
    rules: dict[str, Callable[[], Decision]] = {
        "training.epochs": lambda: _epochs(size),
        "training.batch_size": lambda: batch,
        "training.learning_rate": lambda: _learning_rate(int(batch.value)),
        "training.cold_share": lambda: Decision(_COLD_SHARE, "no cold twins unless the spec asks for them"),
        "model.activities": lambda: _activities(size, model.long_term),
        "model.trees": lambda: _trees(size),
    }
    return {key: rules[key]() for key in DECIDED if key in keys}


DECIDED = (
    "training.epochs",
    "training.batch_size",
    "training.learning_rate",
    "training.cold_share",
    "model.activities",
    "model.trees",
)
"""The keys of the two configurations that follow the data."""


def id_buckets(nodes: int, rows: float) -> Decision:
    """Buckets of the ID embedding of ``nodes`` keys, where the median validate row's key has ``rows`` train rows.

    Two buckets a key, so that few collide (as a power of two); none where most rows' keys were hardly seen: their
    embeddings would be memorized outcomes. Short-lived keys have no rows in train, whatever they had in their days.
    """
    if rows < FEW_ROWS:
        return Decision(0, f"the median validate row's key has {rows:g} train rows, fewer than {FEW_ROWS}")
    buckets = min(max(1 << (2 * nodes - 1).bit_length(), _LEAST_BUCKETS), _MOST_BUCKETS)
    return Decision(buckets, f"two buckets a key, {nodes:,} keys; the median validate row's has {rows:g} train rows")


def _epochs(size: DataSize) -> Decision:
    """Of members with few rows the second pass is the last that helps; of others early stopping decides."""
    mean = size.rows / max(size.members, 1)
    kind, words = ("few", "fewer than") if mean < FEW_ROWS else ("many", "at least")
    return Decision(_EPOCHS[kind], f"{mean:.1f} train rows a member, {words} {FEW_ROWS}")


def _batch_size(size: DataSize) -> Decision:
    """The largest with which an epoch has ``_STEPS`` steps, the smallest if none has."""
    found = max((batch for batch in _BATCHES if size.rows >= batch * _STEPS), default=_BATCHES[0])
    return Decision(found, f"{size.rows:,} train rows are {size.rows // found:,} steps an epoch")


def _learning_rate(batch: int) -> Decision:
    """With the square root of the batch: the noise of Adam's steps stays the same (Malladi et al. 2022)."""
    rate = float(f"{_RATE * (batch / _RATE_BATCH) ** 0.5:.2g}")
    return Decision(rate, f"{_RATE:g} at a batch of {_RATE_BATCH}, with the square root of it ({batch})")


def _activities(size: DataSize, long_term: int) -> Decision:
    """In steps, so that it seldom changes from one training to the next: it sizes the stored vectors."""
    found = next((count for count in _ACTIVITIES if count >= size.activities), _ACTIVITIES[-1])
    reason = f"four of five members have at most {size.activities:g} engagements"
    if found <= long_term:
        return Decision(long_term + 1, f"{reason}, and model.long_term ({long_term}) needs one more than it has")
    return Decision(found, reason)


def _trees(size: DataSize) -> Decision:
    """On, so that no product ranks worse than trees on its columns; of very few rows trees learn the noise."""
    enough = size.rows >= _TREE_ROWS
    return Decision(enough, f"{size.rows:,} train rows, {'at least' if enough else 'fewer than'} {_TREE_ROWS:,}")
