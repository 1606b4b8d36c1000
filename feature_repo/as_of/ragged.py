"""Lists out of Feast as ragged arrays."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.counters.ragged import Ragged


def ragged(column: pa.ChunkedArray) -> Ragged:
    """A column of lists of numbers as rows of the shape (rows,); null reads as an empty list."""
    rows = column.combine_chunks()
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(pc.list_value_length(rows).fill_null(0).to_numpy(), out=offsets[1:])
    return Ragged(offsets, rows.flatten().to_numpy())  # flatten leaves nulls out
