"""The stream's product in Feast, on both online stores."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from feature_repo.store import open_store
from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.stream import product

SQLITE = "feature_repo.stores.online.PackedSqliteOnlineStore"
REDIS = "feature_repo.stores.online.PackedRedisOnlineStore"


class World(NamedTuple):
    store: Any
    spec: Spec
    tables: Path
    state: Path
    config: Path


def open_world(folder: Path, redis: str | None = None, served: str | None = None) -> World:
    """The product with empty event tables, applied; ``redis`` is an address, None = SQLite.

    ``served``: the column of the impressions with the ids of served ones, None = there is none.
    """
    spec, tables, state = product.spec_of(served), folder / "tables", folder / "state"
    product.write_tables(tables, [], [])
    if served is not None:
        product.add_text_column(tables / "impressions.parquet", served)
    (state / "feast").mkdir(parents=True)
    online = {"type": SQLITE, "path": str(state / "feast" / "online.db")}
    if redis:
        online = {"type": REDIS, "connection_string": redis}
    document = {
        "project": "stream",
        "provider": "local",
        "registry": {"registry_type": "sql", "path": f"sqlite:///{state}/feast/registry.db"},
        "online_store": online,
        "offline_store": {"type": "duckdb"},
        "entity_key_serialization_version": 3,
    }
    config = folder / "feature_store.yaml"
    config.write_text(yaml.safe_dump(document))
    store = open_store(config)
    tiny.apply_tables(store, spec, tables, state)
    return World(store, spec, tables, state, config)
