"""The entity rows of a question: what is asked about, and as of which moments."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.engine import Bounds, Unit, connected
from feature_repo.stores.offline.exact import exact_frame

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
_LARGEST_US = (2**63 - 1) // 1000


@dataclass(frozen=True)
class Entities:
    """``table``: the columns as they are answered; ``moments``: (rows,) int64 in ``unit``, void where ``missing``."""

    table: pa.Table
    time: str
    moments: np.ndarray
    missing: np.ndarray
    unit: Unit

    def keyed(self, keys: list[str], unit: Unit) -> pa.Table:
        """The columns row (its number), t (its moment in ``unit``), k0, k1, ... (its keys)."""
        columns = {f"k{position}": self.table[key] for position, key in enumerate(keys)}
        moments = self.moments
        if unit == "ns" and self.unit == "us":  # a moment before 1677 or after 2262 is before or after all of them
            moments = np.clip(moments, -_LARGEST_US, _LARGEST_US) * 1000
        return pa.table({"row": np.arange(self.table.num_rows), "t": pa.array(moments, mask=self.missing), **columns})

    def span(self) -> tuple[int | None, int | None]:
        """First and last moment in microseconds, None if there is none."""
        known = self.moments[~self.missing] // (1000 if self.unit == "ns" else 1)
        return (int(known.min()), int(known.max())) if len(known) else (None, None)


def entities_of(frame: pd.DataFrame | str, bounds: Bounds) -> Entities:
    """Entity rows from a data frame, or from a SQL query that DuckDB answers.

    The moment is the column ``event_timestamp``, or the only one that holds times (Feast's rule); without zone it is
    UTC. Raises RetrievalInputError if a column has no Arrow type or the moments cannot be read.
    """
    if isinstance(frame, str):
        with connected(bounds) as connection:
            frame = exact_frame(connection.sql(frame).to_arrow_table())
    if not isinstance(frame, pd.DataFrame):
        raise RetrievalInputError(
            f"entity_df: expected a pandas DataFrame or a SQL query; found {type(frame).__name__}. Convert it to pandas"
        )
    time = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes, strict=True)))
    moments, missing, unit = _moments(frame[time])
    others = [column for column in frame.columns if column != time]
    try:
        table = pa.Table.from_pandas(frame[others], preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RetrievalInputError(
            f"entity_df: expected columns of one type each; found {error}. Convert the column before asking"
        ) from error
    columns = {column: _plain(table[column]) for column in others}
    instants = pa.array(moments // 1000 if unit == "ns" else moments, mask=missing)
    columns[time] = pa.chunked_array([instants.cast(UTC_MICROSECONDS)])
    return Entities(pa.table({column: columns[column] for column in frame.columns}), time, moments, missing, unit)


def _moments(column: "pd.Series[pd.Timestamp]") -> tuple[np.ndarray, np.ndarray, Unit]:
    """A column of times as (rows,) int64 and where it is null; nanoseconds only where microseconds would lose some."""
    try:
        moments = pd.to_datetime(column.infer_objects(), utc=True)
    except (ValueError, TypeError) as error:
        raise RetrievalInputError(
            f"entity_df: expected times in column {column.name!r}; found {error}. Convert it with pandas.to_datetime"
        ) from error
    missing = moments.isna().to_numpy()
    values = moments.to_numpy(dtype="datetime64[ns]" if moments.dt.unit == "ns" else "datetime64[us]").view("int64")
    if moments.dt.unit == "ns" and (values[~missing] % 1000 != 0).any():
        return values, missing, "ns"
    return values // 1000 if moments.dt.unit == "ns" else values, missing, "us"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as DuckDB would give it back: no dictionaries or large types, zoned times in microseconds if exact."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        try:
            return column.cast(UTC_MICROSECONDS)
        except pa.ArrowInvalid:  # nanoseconds that microseconds would lose: as a key they would be another one's
            return column.cast(pa.timestamp(kind.unit, tz="UTC"))
    return column
