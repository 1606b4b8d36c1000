"""Rows of edge types, and when they become visible."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from models.filters import mask
from models.spec import Edge, Spec


def edge_rows(tables: Mapping[str, pd.DataFrame], edge: Edge) -> pd.DataFrame:
    """The rows of a table that an edge type has: both keys and the time."""
    rows = tables[edge.table]
    kept = rows if not edge.filter else rows[mask(rows, edge.filter)]
    return kept[list(dict.fromkeys([edge.source.column, edge.target.column, edge.time]))]


def visible_before(spec: Spec, rows: pd.DataFrame, time: str, window: str) -> int:
    """How many rows have their time before a window begins."""
    return int(np.count_nonzero(rows[time] < moment_of(spec.span(window).start)))


def moment_of(microseconds: int) -> pd.Timestamp:
    """Microseconds UTC as a timestamp."""
    return pd.Timestamp(microseconds, unit="us", tz="UTC")
