"""The redis-server that tests of packed rows share."""

from tests.feature_repo.redis_server import redis_address, redis_server

__all__ = ["redis_address", "redis_server"]
