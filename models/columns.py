"""Names of columns that are our own: where they stand beside a spec's columns, the spec may not use them.

Engines do not tell upper from lower case, so neither do these checks.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple


class OfSlate(NamedTuple):
    """What a line of the served log says of its slate (``serving.server.served_lines`` writes, ``models.served`` reads)."""

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


class OfCandidates(NamedTuple):
    """What the lines of a slate say of its C candidates, in ranked order: (C,) each."""

    rank: Iterable[Any]
    item: Iterable[Any]
    cold: Iterable[Any]
    capped: Iterable[Any]
    score: Iterable[Any]
    adjustments: Iterable[Any]


COLUMN_OF = {"rank": "position", "cold": "item_cold"}
"""Fields of the log that are columns of another name; any other keeps its own."""
PROBABILITIES, FEATURES = "probabilities", "features"
"""Fields of the log that hold an object: by task, and by the decoder's input."""
PROBABILITY = "probability_"
"""With it and the task a probability's column begins, in the log's frame and in the tensors of an answer."""
SERVED = frozenset((*OfSlate._fields, *OfCandidates._fields, *COLUMN_OF.values(), PROBABILITIES, FEATURES))

REQUEST = ("member", "items", "surface", "time", "explain")
"""Tensors of a request that are no column of the context."""

VALID_FROM = "valid_from"
"""The time column of a counter's table, and of a training set's `versions_<node>.parquet`."""
FROZEN_TIME = "frozen_time"
"""The column of a training set's `frozen.parquet` that says before which moment the member's state was read."""
WINDOW = "window"
"""The column of a training set that says in which of the spec's windows a row is."""
LOCAL_HOUR = "local_hour"
"""The hour of the day that the floor's trees read beside the features."""
ADDED = ("file_row_number", "file_index", "filename")
"""What DuckDB adds to the columns of a file."""
TABLE = frozenset((VALID_FROM, FROZEN_TIME, WINDOW, LOCAL_HOUR, "created", *ADDED))
"""Columns of tables: of the training set, of versions (beside the moment at which they were written), of a file."""


def is_served(name: str) -> bool:
    """Whether the served log, or a request, has a column of that name, or could have."""
    name = name.lower()
    return name in SERVED or name in REQUEST or name.startswith(PROBABILITY)
