"""Fixtures for tests of what lies in a row store: SQLite, and a real Redis."""

from pathlib import Path

import pytest

from feature_repo.notes import Notes
from feature_repo.packed.redis import RedisRows
from feature_repo.packed.rows import RowStore
from feature_repo.packed.sqlite import SqliteRows
from tests.feature_repo.redis_server import redis_address, redis_server

__all__ = ["notes", "redis_address", "redis_server", "rows"]


@pytest.fixture(params=["sqlite", "redis"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> RowStore:
    """An empty row store."""
    if request.param == "sqlite":
        return SqliteRows(tmp_path / "rows.db")
    return RedisRows(request.getfixturevalue("redis_address"))


@pytest.fixture
def notes(rows: RowStore) -> Notes:
    """The notes of a project in it."""
    return Notes(rows, "news")
