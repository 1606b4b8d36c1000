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
_COLD_SHARE, _COLD_ROWS, _MANY_NEW = 0.15, 10_000, 0.1
_COLD_MEMBER_SHARE = 0.15
_TREE_ROWS = 3_100
"""With fewer, a tree of 31 leaves cannot have 100 rows in each, which the search's first trial asks for."""
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
    new_items: float
    """Share of the rows of validate whose item has no train row; 0 without any."""
    new_members: float = 0.0
    """Share of the rows of validate whose member has no train row; 0 without any."""


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
        "training.cold_share": lambda: _cold_share(size),
        "training.cold_member_share": lambda: _cold_member_share(size),
        "model.activities": lambda: _activities(size, model.long_term),
        "model.trees": lambda: _trees(size),
    }
    return {key: rules[key]() for key in DECIDED if key in keys}


DECIDED = (
    "training.epochs",
    "training.batch_size",
    "training.learning_rate",
    "training.cold_share",
    "training.cold_member_share",
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


def _cold_share(size: DataSize) -> Decision:
    """Twins teach what a new item is like where few rows do, and where there are enough of them to calibrate."""
    many, reason = _many_new(size.rows, size.new_items, "show a new item")
    return Decision(_COLD_SHARE if many is False else 0.0, reason)


def _cold_member_share(size: DataSize) -> Decision:
    """Twins cost the members that are known, so there are some only where many rows are of new members."""
    many, reason = _many_new(size.rows, size.new_members, "are of a new member")
    return Decision(_COLD_MEMBER_SHARE if many else 0.0, reason)


def _many_new(rows: int, share: float, what: str) -> tuple[bool | None, str]:
    """Whether many validate rows are new, None where there are too few train rows for twins; and the reason."""
    if rows < _COLD_ROWS:
        return None, f"{rows:,} train rows, fewer than {_COLD_ROWS:,}"
    many = share >= _MANY_NEW
    return many, f"{share:.1%} of the validate rows {what}, {'at least' if many else 'below'} {_MANY_NEW:.0%}"


def _activities(size: DataSize, long_term: int) -> Decision:
    """In steps, so that it seldom changes from one training to the next: it sizes the stored vectors."""
    found = next((count for count in _ACTIVITIES if count >= size.activities), _ACTIVITIES[-1])
    reason = f"four of five members have at most {size.activities:g} engagements"
    if found <= long_term:
        return Decision(long_term + 1, f"{reason}, and model.long_term ({long_term}) needs one more than it has")
    return Decision(found, reason)


def _trees(size: DataSize) -> Decision:
    """On, since boosted trees are hard to beat on tables of counters; of very few rows they learn the noise."""
    enough = size.rows >= _TREE_ROWS
    return Decision(enough, f"{size.rows:,} train rows, {'at least' if enough else 'fewer than'} {_TREE_ROWS:,}")
