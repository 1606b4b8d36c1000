"""Feast's online store over packed rows in Redis."""

from typing import Any, Literal

from feast import RepoConfig
from feast.repo_config import FeastConfigBaseModel
from pydantic import StrictStr

from feature_repo.packed.redis import CONNECT_SECONDS, SECONDS, RedisRows, redis_arguments
from feature_repo.stores.online.store import PackedOnlineStore

_NAME = "feature_repo.stores.online.PackedRedisOnlineStore"


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """``online_store`` of a feature_store.yaml, with the connection string of Feast's own store; times in seconds."""

    type: Literal["feature_repo.stores.online.PackedRedisOnlineStore"] = _NAME  # type: ignore[assignment]
    connection_string: StrictStr = "localhost:6379"
    connect_timeout: float = CONNECT_SECONDS
    timeout: float = SECONDS


class PackedRedisOnlineStore(PackedOnlineStore):
    """Feast's online store in one Redis server."""

    def connect(self, config: RepoConfig) -> RedisRows:
        """Connect to the configured Redis."""
        return RedisRows(**connection_arguments(config.online_store))


def connection_arguments(config: PackedRedisOnlineStoreConfig) -> dict[str, Any]:
    """Arguments of ``redis.Redis`` and ``redis.asyncio.Redis``. Raises UnsupportedError for several servers."""
    timeouts = {"socket_connect_timeout": config.connect_timeout, "socket_timeout": config.timeout}
    return {**timeouts, **redis_arguments(config.connection_string)}
