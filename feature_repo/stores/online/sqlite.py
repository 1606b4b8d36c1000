"""Feast's online store over packed rows in SQLite."""

from pathlib import Path
from typing import Literal

from feast import RepoConfig
from feast.repo_config import FeastConfigBaseModel
from pydantic import StrictStr

from feature_repo.packed.sqlite import SqliteRows
from feature_repo.stores.online.store import PackedOnlineStore

_NAME = "feature_repo.stores.online.PackedSqliteOnlineStore"


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """``online_store`` of a feature_store.yaml; ``path`` is relative to that file."""

    type: Literal["feature_repo.stores.online.PackedSqliteOnlineStore"] = _NAME  # type: ignore[assignment]
    path: StrictStr = "data/online.db"


class PackedSqliteOnlineStore(PackedOnlineStore):
    """Feast's online store in one SQLite file."""

    def connect(self, config: RepoConfig) -> SqliteRows:
        """Open the configured file."""
        return SqliteRows(database(config))


def database(config: RepoConfig) -> Path:
    """Path of the configured file."""
    path = Path(config.online_store.path)
    return path if path.is_absolute() or config.repo_path is None else Path(config.repo_path) / path
