"""Feast online stores that keep one packed row per view and key, in SQLite or in Redis."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_repo.stores.online.redis import PackedRedisOnlineStore, PackedRedisOnlineStoreConfig
    from feature_repo.stores.online.sqlite import PackedSqliteOnlineStore, PackedSqliteOnlineStoreConfig

__all__ = [
    "PackedRedisOnlineStore",
    "PackedRedisOnlineStoreConfig",
    "PackedSqliteOnlineStore",
    "PackedSqliteOnlineStoreConfig",
]


def __getattr__(name: str) -> Any:
    """Import the store classes on first use, so that a SQLite user needs no Redis client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "Redis" in name:
        from feature_repo.stores.online import redis

        return getattr(redis, name)
    from feature_repo.stores.online import sqlite

    return getattr(sqlite, name)
