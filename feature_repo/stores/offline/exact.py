"""Feast's frames with integers kept exact (``feature_repo.exact_frames``)."""

import json
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import ValidationReference

from feature_repo.exact_frames import NULLABLE, exact_frame


class ExactRetrievalJob(RetrievalJob):
    """Feast's job with ``to_df`` through ``exact_frame``."""

    def to_df(
        self, validation_reference: ValidationReference | None = None, timeout: int | None = None
    ) -> pd.DataFrame:
        """The result, including on-demand features, as a frame; integer columns with nulls are ``Int64``."""
        return exact_frame(self.to_arrow(validation_reference=validation_reference, timeout=timeout))


def noted(table: pa.Table, other_names: Iterable[tuple[str, str]] = ()) -> pa.Table:
    """Add pandas metadata so that ``to_pandas``, which Feast calls, gives integer columns with nulls nullable types.

    ``other_names``: (column, another name that Feast may give it before).
    """
    also = [*other_names]
    nullable: dict[str, str] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if column.null_count and field.type in NULLABLE:
            names = [field.name, *(other for name, other in also if name == field.name)]
            nullable |= {name: str(NULLABLE[field.type]) for name in names}
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
