"""Entity rows of a request: keys, and the times as of which features are requested."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from feature_repo.exact_frames import exact_frame
from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Bounds, Unit, connected

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
_LARGEST_US = 2**63 // 1000


@dataclass(frozen=True)
class Entities:
    """``table``: columns of the result; ``times``: (rows,) int64 in ``unit``, void where ``missing``: (rows,) bool."""

    table: pa.Table
    time: str
    """Name of the time column."""
    times: np.ndarray
    missing: np.ndarray
    unit: Unit

    def keyed(self, keys: list[str], unit: Unit) -> pa.Table:
        """The columns row (index), t (time in ``unit``), k0, k1, ... (keys)."""
        columns = {f"k{position}": self.table[key] for position, key in enumerate(keys)}
        times = self.times
        if unit == "ns" and self.unit == "us":  # before 1677 or after 2262 is before or after all nanosecond times
            times = np.clip(times, -_LARGEST_US, _LARGEST_US) * 1000
        return pa.table({"row": np.arange(self.table.num_rows), "t": pa.array(times, mask=self.missing), **columns})

    def span(self) -> tuple[int | None, int | None]:
        """First and last time in microseconds UTC; None without rows."""
        known = self.times[~self.missing] // (1000 if self.unit == "ns" else 1)
        return (int(known.min()), int(known.max())) if len(known) else (None, None)


def entities_of(frame: pd.DataFrame | str, bounds: Bounds) -> Entities:
    """Entity rows from a data frame, or from a SQL query for DuckDB.

    The time is the column ``event_timestamp``, or the only time column (Feast's rule); without a zone it is UTC. Raises
    RetrievalInputError if a column has no Arrow type or the times cannot be parsed.
    """
    if isinstance(frame, str):
        with connected(bounds) as connection:
            frame = exact_frame(connection.sql(frame).to_arrow_table())
    if not isinstance(frame, pd.DataFrame):
        raise RetrievalInputError(
            f"entity_df: expected a pandas DataFrame or a SQL query; found {type(frame).__name__}. Convert it to pandas"
        )
    time = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes, strict=True)))
    times, missing, unit = _times(frame[time])
    others = [column for column in frame.columns if column != time]
    try:
        table = pa.Table.from_pandas(frame[others], preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RetrievalInputError(
            f"entity_df: expected columns of one type each; found {error}. Convert the column first"
        ) from error
    columns = {column: _plain(table[column]) for column in others}
    instants = pa.array(times // 1000 if unit == "ns" else times, mask=missing)
    columns[time] = pa.chunked_array([instants.cast(UTC_MICROSECONDS)])
    return Entities(pa.table({column: columns[column] for column in frame.columns}), time, times, missing, unit)


def _times(column: "pd.Series[pd.Timestamp]") -> tuple[np.ndarray, np.ndarray, Unit]:
    """A time column as (rows,) int64 and its nulls, (rows,) bool; in nanoseconds only if microseconds lose digits."""
    try:
        times = pd.to_datetime(column.infer_objects(), utc=True)
    except (ValueError, TypeError) as error:
        raise RetrievalInputError(
            f"entity_df: expected times in column {column.name!r}; found {error}. Convert it with pandas.to_datetime"
        ) from error
    missing = times.isna().to_numpy()
    values = times.to_numpy(dtype="datetime64[ns]" if times.dt.unit == "ns" else "datetime64[us]").view("int64")
    if times.dt.unit == "ns" and (values[~missing] % 1000 != 0).any():
        return values, missing, "ns"
    return values // 1000 if times.dt.unit == "ns" else values, missing, "us"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as DuckDB returns it: no dictionaries or large types, zoned times in microseconds if exact."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        try:
            return column.cast(UTC_MICROSECONDS)
        except pa.ArrowInvalid:  # rounded nanoseconds could equal another key
            return column.cast(pa.timestamp(kind.unit, tz="UTC"))
    return column
