"""Arrow tables as pandas frames in which whole numbers beside nulls stay whole numbers.

pandas turns such a column into float64, where 2**53 + 1 becomes 2**53. It becomes ``Int64`` (``UInt8``, ...) here.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import ValidationReference

_NULLABLE: dict[pa.DataType, pd.api.extensions.ExtensionDtype] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


class ExactRetrievalJob(RetrievalJob):
    """Feast's job with ``to_df`` as ``exact_frame`` has it."""

    def to_df(
        self, validation_reference: ValidationReference | None = None, timeout: int | None = None
    ) -> pd.DataFrame:
        """The answer, on-demand features included, as a frame; whole numbers beside nulls are ``Int64``."""
        return exact_frame(self.to_arrow(validation_reference=validation_reference, timeout=timeout))


def exact_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a frame. A column of whole numbers with nulls is nullable; a null inside a list is None."""
    exact: dict[int, pd.Series] = {}
    for place, column in enumerate(table.columns):
        if column.null_count and column.type in _NULLABLE:
            exact[place] = column.to_pandas(types_mapper=_NULLABLE.get)
        elif pa.types.is_nested(column.type) and _has_null_integer(column):
            exact[place] = column.to_pandas(integer_object_nulls=True)
    frame = table.select([place for place in range(table.num_columns) if place not in exact]).to_pandas()
    for place, values in exact.items():
        frame.insert(place, table.column_names[place], values, allow_duplicates=True)
    return frame.reset_index(drop=True)


def noted(table: pa.Table, other_names: Iterable[tuple[str, str]] = ()) -> pa.Table:
    """The table with a note for ``to_pandas``, which Feast calls itself: whole numbers beside nulls are nullable.

    ``other_names``: (column, name under which Feast may have it then).
    """
    also = [*other_names]
    nullable: dict[str, str] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if column.null_count and field.type in _NULLABLE:
            names = [field.name, *(other for name, other in also if name == field.name)]
            nullable |= {name: str(_NULLABLE[field.type]) for name in names}
    if not nullable:
        return table
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind.lower(), "numpy_type": kind, "metadata": None}
        for name, kind in nullable.items()
    ]
    note = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": pd.__version__}
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"pandas": json.dumps(note).encode()})


def on_demand_names(views: Sequence[OnDemandFeatureView]) -> Iterator[tuple[str, str]]:
    """The second name under which Feast hands a feature to on-demand views: with its view's name, or without."""
    for view in views:
        for projection in view.source_feature_view_projections.values():
            for feature in projection.features:
                full = f"{projection.name}__{feature.name}"
                yield from ((full, feature.name), (feature.name, full))


def _has_null_integer(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether whole numbers below the first level are null."""
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        if pa.types.is_struct(chunk.type):
            inner = chunk.flatten()
        elif pa.types.is_map(chunk.type):
            inner = [chunk.keys, chunk.items]
        elif pa.types.is_nested(chunk.type):
            inner = [chunk.flatten()]
        else:
            continue
        for values in inner:
            if (pa.types.is_integer(values.type) and values.null_count) or _has_null_integer(values):
                return True
    return False
