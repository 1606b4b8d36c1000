"""Retrieval job of the offline store, which runs when its result is requested."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_store import RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from feature_repo.exact_frames import exact_frame
from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.offline.exact import ExactRetrievalJob, noted, on_demand_names
from feature_repo.stores.offline.location import locate
from feature_repo.stores.offline.write import write_new


class AsOfRetrievalJob(ExactRetrievalJob):
    """Runs ``evaluate(timeout in seconds)`` for every result; Feast's base class applies on-demand views.

    ``field_mapping``: the names that Feast gives to columns afterwards.
    """

    def __init__(
        self,
        evaluate: Callable[[float | None], pa.Table],
        repo_path: Path | str | None,
        on_demand: list[OnDemandFeatureView] | None = None,
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
        field_mapping: dict[str, str] | None = None,
    ) -> None:
        self._evaluate = evaluate
        self._repo_path = repo_path
        self._on_demand = on_demand or []
        self._full_feature_names = full_feature_names
        self._metadata = metadata
        self._field_mapping = field_mapping or {}

    @property
    def full_feature_names(self) -> bool:
        """Whether features are named ``view__feature``."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The requested on-demand views."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """Features, keys and the range of times; None for a pull."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return noted(self._evaluate(timeout), [*self._field_mapping.items(), *on_demand_names(self._on_demand)])

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return exact_frame(self._evaluate(timeout))

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result, including on-demand features, to a Parquet file or folder, atomically.

        Raises feast.errors.SavedDatasetLocationAlreadyExists if the location exists and may not be overwritten.
        """
        location = locate(storage.to_data_source(), self._repo_path)
        write_new(location, lambda: self.to_arrow(timeout=timeout), allow_overwrite)

    def to_sql(self) -> str:
        """Unsupported: a result takes several statements with Arrow between them."""
        raise UnsupportedError("to_sql: a result takes more than one statement. Use to_arrow or to_df")

    def to_remote_storage(self) -> list[Any]:
        """Unsupported: ``persist`` writes to any file system."""
        raise UnsupportedError("to_remote_storage: this store has no staging location. Use persist with a remote path")
