"""Convert Arrow tables to pandas frames with integers kept exact.

pandas converts an integer column with nulls to float64, where 2**53 + 1 becomes 2**53. Here it becomes ``Int64``
(``UInt8``, ...).
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
    """Feast's job with ``to_df`` through ``exact_frame``."""

    def to_df(
        self, validation_reference: ValidationReference | None = None, timeout: int | None = None
    ) -> pd.DataFrame:
        """The result, including on-demand features, as a frame; integer columns with nulls are ``Int64``."""
        return exact_frame(self.to_arrow(validation_reference=validation_reference, timeout=timeout))


def exact_frame(table: pa.Table) -> pd.DataFrame:
    """The table as a frame. An integer column with nulls gets a nullable type; a null inside a list is None."""
    exact: dict[int, pd.Series] = {}
    for place, column in enumerate(table.columns):
        if column.null_count and column.type in _NULLABLE:
            exact[place] = column.to_pandas(types_mapper=_NULLABLE.get)
        elif pa.types.is_nested(column.type):
            exact[place] = column.to_pandas(integer_object_nulls=True)
    frame = table.select([place for place in range(table.num_columns) if place not in exact]).to_pandas()
    for place, values in exact.items():
        frame.insert(place, table.column_names[place], values, allow_duplicates=True)
    return frame.reset_index(drop=True)


def noted(table: pa.Table, other_names: Iterable[tuple[str, str]] = ()) -> pa.Table:
    """Add pandas metadata so that ``to_pandas``, which Feast calls, gives integer columns with nulls nullable types.

    ``other_names``: (column, another name that Feast may give it before).
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
    """(name, other name) pairs under which Feast may pass a feature to on-demand views: with and without its view."""
    for view in views:
        for projection in view.source_feature_view_projections.values():
            for feature in projection.features:
                full = f"{projection.name}__{feature.name}"
                yield from ((full, feature.name), (feature.name, full))
