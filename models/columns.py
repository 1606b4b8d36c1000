"""Reserved column names: columns of the served log, of requests and of our own tables, which a spec may not use.

SQL engines do not distinguish upper from lower case, so neither do these checks.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple


class SlateFields(NamedTuple):
    """Fields of the slate in a line of the served log, which ``serving.server.served_lines`` writes."""

    served: int
    request: str
    slate: int
    time: int
    as_of: int
    member: int | str
    member_cold: bool
    surface: str
    model: str
    model_version: str
    fallback: bool
    stale: list[str]
    latency: float | None


class CandidateFields(NamedTuple):
    """Fields of a slate's C candidates in the served log, in ranked order: (C,) each."""

    rank: Iterable[Any]
    impression: Iterable[Any]
    item: Iterable[Any]
    cold: Iterable[Any]
    capped: Iterable[Any]
    score: Iterable[Any]
    propensity: Iterable[Any]
    adjustments: Iterable[Any]


COLUMN_OF = {"rank": "position", "cold": "item_cold"}
"""Fields of the served log whose column has another name in a data frame."""
PROBABILITIES, FEATURES = "probabilities", "features"
"""Fields of the served log that hold an object: task -> probability, and decoder input -> value."""
PROBABILITY = "probability_"
"""Prefix of a task's probability, as a column of the served log's data frame and as a tensor of a response."""
SERVED_COLUMNS = frozenset(
    (*SlateFields._fields, *CandidateFields._fields, *COLUMN_OF.values(), PROBABILITIES, FEATURES)
)

REQUEST_TENSORS = ("member", "items", "surface", "time", "explain")
"""Tensors of a request that are not columns of the context."""

VALID_FROM = "valid_from"
"""Time column of a counter's table, and of a training set's `versions_<node>.parquet`."""
FROZEN_TIME = "frozen_time"
"""Column of a training set's `frozen.parquet`: the member's state was read as it was strictly before this time."""
WINDOW = "window"
"""Column of a training set with the name of the spec's window that a row is in."""
IMPRESSIONS, FROZEN = "impressions", "frozen"
"""Tables of a training set: its rows as of their own time, and with the member's state as of ``frozen_time``."""
TWINS = {"item": ("cold", "cold_frozen"), "member": ("cold_member", "cold_member_frozen")}
"""The same two tables of twins whose item or member is read as new, which only a training set with
``training.cold_share`` or ``training.cold_member_share`` has."""
SAMPLED = "sampled"
"""Column of seeds: 1 where a row is a sampled negative. Only a spec with ``impressions.sample_negatives`` has it."""
SEEDS = "seeds"
"""Canonical table of such a spec: the positives to train and judge on, and their sampled negatives."""
LOCAL_HOUR = "local_hour"
"""Hour of the day, a feature of the floor's trees."""
DUCKDB_COLUMNS = ("file_row_number", "file_index", "filename")
"""Columns that DuckDB adds to those of a file."""
TABLE_COLUMNS = frozenset((VALID_FROM, FROZEN_TIME, WINDOW, SAMPLED, LOCAL_HOUR, "created", *DUCKDB_COLUMNS))
"""Columns of our own tables; ``created`` is when a version was written."""


def is_served(name: str) -> bool:
    """Whether the served log or a request has, or could have, a column of that name."""
    name = name.lower()
    return name in SERVED_COLUMNS or name in REQUEST_TENSORS or name.startswith(PROBABILITY)
