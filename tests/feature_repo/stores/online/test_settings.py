"""Settings of the online stores: defaults, paths, and which modules they import."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.online.redis import PackedRedisOnlineStoreConfig, connection_arguments
from feature_repo.stores.online.sqlite import PackedSqliteOnlineStoreConfig, database


def test_redis_waits_two_seconds_for_a_connection_and_ten_for_an_answer() -> None:
    waits = {"socket_connect_timeout": 2.0, "socket_timeout": 10.0}
    assert connection_arguments(PackedRedisOnlineStoreConfig()) == {**waits, "host": "localhost", "port": 6379}
    own = PackedRedisOnlineStoreConfig(connection_string="one:7,socket_timeout=3", connect_timeout=1.5)
    assert connection_arguments(own) == {"socket_connect_timeout": 1.5, "socket_timeout": 3, "host": "one", "port": 7}
    with pytest.raises(UnsupportedError, match="found 2"):
        connection_arguments(PackedRedisOnlineStoreConfig(connection_string="one:7,two:7"))


@pytest.mark.parametrize(
    ("path", "repository", "found"),
    [
        ("data/online.db", "/repo", "/repo/data/online.db"),
        ("data/online.db", None, "data/online.db"),
        ("/var/x.db", "/repo", "/var/x.db"),
        ("/var/x.db", None, "/var/x.db"),
    ],
)
def test_the_file_is_relative_to_the_repository(path: str, repository: str | None, found: str) -> None:
    config: Any = SimpleNamespace(online_store=PackedSqliteOnlineStoreConfig(path=path), repo_path=repository)
    assert database(config) == Path(found)


def test_sqlite_needs_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "feature_repo.stores.online.redis", None)
    spec = importlib.util.find_spec("feature_repo.stores.online")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PackedSqliteOnlineStoreConfig is PackedSqliteOnlineStoreConfig
    with pytest.raises(AttributeError, match=r"^module 'feature_repo\.stores\.online' has no attribute 'Other'$"):
        module.Other  # noqa: B018
