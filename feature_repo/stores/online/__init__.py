"""Online stores for Feast that keep each view's row packed: in SQLite or in Redis."""

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
    """The store classes, on first use: who only unpacks rows does without Feast and Redis."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from feature_repo.stores.online import redis, sqlite

    return getattr(redis if "Redis" in name else sqlite, name)
