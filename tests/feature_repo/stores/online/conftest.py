"""Feast's stock store, and ours in SQLite and Redis, with the same views."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from feature_repo.stores.online.bulk import rows_of
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.feature_repo.stores.online.feast_views import (
    PACKED,
    open_store,
)

__all__ = ["redis_address", "redis_server"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[dict[str, Any]]:
    """Feast's stock store, ours in SQLite and ours in Redis, with the same views."""
    folder = tmp_path_factory.mktemp("stores")
    online = {
        "stock": {"type": "sqlite", "path": str(folder / "stock.db")},
        "sqlite": {"type": PACKED.format("Sqlite"), "path": str(folder / "packed.db")},
        "redis": {"type": PACKED.format("Redis"), "connection_string": redis_server},
    }
    found = {name: open_store(folder / name, settings) for name, settings in online.items()}
    yield found
    for name in ("sqlite", "redis"):
        asyncio.run(found[name].provider.online_store.close())


@pytest.fixture(params=["sqlite", "redis"])
def packed(request: pytest.FixtureRequest, stores: dict[str, Any]) -> Any:
    """One of ours, empty."""
    store = stores[request.param]
    rows_of(store).delete(b"")
    return store
