"""A Feast offline store over Parquet files that joins as of a moment with DuckDB's ASOF JOIN.

``offline_store: {type: feature_repo.stores.offline.AsOfOfflineStore}`` in ``feature_store.yaml`` chooses it.
"""

from feature_repo.stores.offline.store import AsOfOfflineStore, AsOfOfflineStoreConfig

__all__ = ["AsOfOfflineStore", "AsOfOfflineStoreConfig"]
