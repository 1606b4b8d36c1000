"""Time columns: Arrow's microsecond timestamp in UTC."""

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


def column_microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A time column as int64 microseconds UTC; nulls stay null."""
    return column.cast(TIMESTAMP).cast(pa.int64())
