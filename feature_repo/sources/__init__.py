"""Sources: one adapter per data set, and ingestion of its raw data into validated canonical tables."""

from feature_repo.sources.adapters import adapter, check
from feature_repo.sources.tables import end_of_data, read_manifest, read_table

__all__ = ["adapter", "check", "end_of_data", "read_manifest", "read_table"]
