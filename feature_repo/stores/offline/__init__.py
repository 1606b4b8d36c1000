"""A Feast offline store over Parquet files, with point-in-time joins by DuckDB's ASOF JOIN.

Set ``offline_store: {type: feature_repo.stores.offline.AsOfOfflineStore}`` in ``feature_store.yaml``.
"""

from feature_repo.stores.offline.store import AsOfOfflineStore, AsOfOfflineStoreConfig

__all__ = ["AsOfOfflineStore", "AsOfOfflineStoreConfig"]
