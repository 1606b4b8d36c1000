"""What a reader refuses, and what it does when the store is down, late or back."""

import asyncio
import logging
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from feature_repo.slate import SlateFeatureError, SlateKeyError, SlateReader, SlateRows, SlateUnavailableError, Status
from feature_repo.slate.rows import row_status
from feature_repo.stores.errors import UnsupportedError
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.feature_repo.slate.world import CANDIDATE_KEYS, DERIVED, FEATURES, START, World, open_world

__all__ = ["redis_address", "redis_server"]

ITEM = {"item_stats": [{"item_id": "a", "score": 3.5, "tag": "new", "time": START}]}
SHARED, CANDIDATES = {"member_id": 1}, {"item_id": ["a"]}
Made = Callable[..., SlateReader]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = open_world(tmp_path_factory.mktemp("sqlite"), "sqlite")
    world.online(ITEM)
    return world


def reader_of(world: World, **settings: Any) -> SlateReader:
    return SlateReader(world.store, FEATURES, CANDIDATE_KEYS, DERIVED, **{"deadline": 5.0, **settings})


def with_reader(work: Callable[[SlateReader], Awaitable[Any]], world: World, **settings: Any) -> Any:
    async def go() -> Any:
        async with reader_of(world, **settings) as reader:
            return await work(reader)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["item_stats"], "'view:feature'"),
        (["item_stats@v2:score"], "current version"),
        (["nothing:score"], "'nothing': expected an applied view"),
        (["item_stats:nothing"], "'item_stats:nothing': expected one of fresh, score, tag, vector"),
    ],
)
def test_features_that_do_not_exist(sqlite: World, features: list[str], message: str) -> None:
    with pytest.raises(SlateFeatureError, match=message):
        SlateReader(sqlite.store, features, ["item_id"])


@pytest.mark.parametrize(
    ("candidates", "derived", "message"),
    [
        (["item"], {}, "key 'item': expected a key of the requested views"),
        (["item_id"], {"tag": "item_stats:score"}, "expected a feature of the key's type, string; found float32"),
        (["item_id"], {"tag": "item_stats:nothing"}, "found no such feature"),
        (["item_id", "tag"], {"tag": "item_stats:tag"}, "key 'tag': expected it either given or derived"),
        (["item_id"], {"colour": "item_stats:tag"}, "key 'colour': expected a key of the requested views"),
    ],
)
def test_keys_that_do_not_fit(sqlite: World, candidates: list[str], derived: dict[str, str], message: str) -> None:
    with pytest.raises(SlateFeatureError, match=message):
        SlateReader(sqlite.store, FEATURES, candidates, derived)


@pytest.mark.parametrize(
    ("shared", "candidates", "message"),
    [
        ({}, {"item_id": ["a"]}, "key 'member_id': expected it among the shared; found none"),
        ({"member_id": 1}, {"post": ["a"]}, "key 'item_id': expected it among the candidates; found 'post'"),
        ({"member_id": "1"}, {"item_id": ["a"]}, r"key 'member_id': expected int64; found '1' \(str\)"),
        ({"member_id": True}, {"item_id": ["a"]}, r"found True \(bool\)"),
        ({"member_id": 1.0}, {"item_id": ["a"]}, r"found 1.0 \(float\)"),
        ({"member_id": 2**63}, {"item_id": ["a"]}, "expected int64; found 9223372036854775808"),
        ({"member_id": None}, {"item_id": ["a"]}, r"found None \(NoneType\)"),
        ({"member_id": 1}, {"item_id": ["a", 2]}, r"key 'item_id': expected string; found 2 \(int\)"),
        ({"member_id": 1}, {"item_id": "ab"}, "expected a sequence of string, one per candidate; found 'ab'"),
        ({"member_id": 1}, {"item_id": ["a"] * 2_001}, "candidates: expected at most 2000; found 2001"),
    ],
)
def test_keys_are_checked(sqlite: World, shared: dict[str, Any], candidates: dict[str, Any], message: str) -> None:
    with pytest.raises(SlateKeyError, match=message):
        with_reader(lambda reader: reader.read(shared, candidates), sqlite)


def test_whole_numbers_of_numpy_and_keys_beside(sqlite: World) -> None:
    shared = {"member_id": np.int32(1), "surface": "feed"}
    found = with_reader(lambda reader: reader.read(shared, {"item_id": np.array(["a"])}, START), sqlite)
    assert found.candidates["score"].tolist() == [3.5]


def test_a_feature_service_with_a_renamed_key(sqlite: World) -> None:
    from feast import FeatureService

    parent = sqlite.store.get_feature_view("item_stats")[["score"]].with_name("parent")
    views = [parent.with_join_key_map({"item_id": "parent_id"}), sqlite.store.get_feature_view("pair_counts")]
    service = FeatureService(name="parents", features=views)
    sqlite.store.apply([service])

    async def go() -> SlateRows:
        async with SlateReader(sqlite.store, service, ["item_id"], deadline=5.0) as reader:
            return await reader.read({"member_id": 1, "parent_id": "a"}, {"item_id": ["a", "b"]}, START)

    found = asyncio.run(go())
    assert found.shared["score"].tolist() == [3.5]
    assert found.status["parent"].tolist() == [Status.PRESENT]
    assert found.status["pair_counts"].tolist() == [Status.NOT_FOUND] * 2


def test_fallbacks_are_named(sqlite: World) -> None:
    with pytest.raises(ValueError, match="expected 'missing' or 'error'; found 'none'"):
        reader_of(sqlite, fallback="none")


def test_a_store_that_is_not_packed(sqlite: World, tmp_path: Path) -> None:
    from feast import FeatureStore, RepoConfig

    online = {"type": "sqlite", "path": str(tmp_path / "stock.db")}
    registry = sqlite.store.config.registry
    config = RepoConfig(project="slates", provider="local", registry=registry, online_store=online)
    with pytest.raises(UnsupportedError, match=r"online store sqlite: expected one of feature_repo\.stores\.online"):
        SlateReader(FeatureStore(config=config), FEATURES, CANDIDATE_KEYS, DERIVED)


def missing(rows: SlateRows) -> bool:
    return rows.fallback and all((status == Status.NOT_FOUND).all() for status in rows.status.values())


def test_a_store_that_is_not_there(sqlite: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = open_world(tmp_path, "sqlite")
    file = tmp_path / "online.db"
    world.online(ITEM)

    async def away_and_back(reader: SlateReader) -> None:
        before = await reader.read(SHARED, CANDIDATES, START)
        assert before.candidates["score"].tolist() == [3.5]
        assert not before.fallback
        file.rename(tmp_path / "away.db")
        for _ in range(2):
            assert missing(await reader.read(SHARED, CANDIDATES, START))
        (tmp_path / "away.db").rename(file)
        assert (await reader.read(SHARED, CANDIDATES, START)).candidates["score"].tolist() == [3.5]

    with caplog.at_level(logging.WARNING):
        with_reader(away_and_back, world)
    assert len(caplog.records) == 2, "one line as it goes, one as it comes back"

    file.unlink()
    with pytest.raises(SlateUnavailableError, match=r"online store: expected a response; found .*online\.db"):
        with_reader(lambda reader: reader.read(SHARED, CANDIDATES), world, fallback="error")


def test_a_redis_that_dies_and_comes_back(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    world = open_world(tmp_path, "redis", f"127.0.0.1:{port}")

    async def dies(reader: SlateReader) -> None:
        assert missing(await reader.read(SHARED, CANDIDATES, START)), "not started yet"
        for score in (3.5, 4.5):
            with redis_on(port):
                world.online({"item_stats": [{"item_id": "a", "score": score, "time": START}]})
                rows = await asyncio.gather(*[reader.read(SHARED, CANDIDATES, START) for _ in range(5)])
                assert [found.candidates["score"].tolist() for found in rows] == [[score]] * 5
            assert missing(await reader.read(SHARED, CANDIDATES, START))

    with_reader(dies, world)


@contextmanager
def redis_on(port: int) -> Iterator[None]:
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        retry = Retry(ConstantBackoff(0.02), 500)
        with redis.Redis("127.0.0.1", port, retry=retry, retry_on_error=[redis.ConnectionError]) as client:
            client.ping()
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never responds; gives ``host:port``."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_redis_that_is_late(tmp_path: Path) -> None:
    with silent_server() as address:
        world = open_world(tmp_path, "redis", address)
        assert missing(with_reader(lambda reader: reader.read(SHARED, CANDIDATES, START), world, deadline=0.02))
        with pytest.raises(SlateUnavailableError, match=r"no response within 0\.02 s"):
            with_reader(lambda reader: reader.read(SHARED, CANDIDATES), world, deadline=0.02, fallback="error")


def test_a_late_read_of_sqlite_frees_its_thread(sqlite: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.slate import sqlite as client

    entered, got = threading.Event(), client._get

    def slow(connection: Any, keys: Any) -> Any:
        entered.set()
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        return connection.execute(endless).fetchone()

    async def late(reader: SlateReader) -> None:
        monkeypatch.setattr(client, "_get", slow)
        assert missing(await reader.read(SHARED, CANDIDATES, START))
        assert entered.is_set()
        monkeypatch.setattr(client, "_get", got)
        reader._deadline = 5.0
        assert (await reader.read(SHARED, CANDIDATES, START)).candidates["score"].tolist() == [3.5]

    with_reader(late, sqlite, deadline=0.1, pool=1)


@pytest.mark.parametrize("derived", [False, True])
def test_one_round_trip(tmp_path: Path, redis_address: str, derived: bool) -> None:
    world = open_world(tmp_path, "redis", redis_address)
    world.online(ITEM)
    host, port = redis_address.split(":")

    async def counted(reader: SlateReader) -> None:
        await reader.read(SHARED, CANDIDATES, START)  # connects, and Redis keeps the script
        with redis.Redis(host, int(port)) as client:
            client.config_resetstat()
            found = await reader.read(SHARED, {"item_id": ["a", "b"] * 50}, START)
            assert not found.fallback
            calls = {name: entry["calls"] for name, entry in client.info("commandstats").items()}
        del calls["cmdstat_config|resetstat"]
        # What the script itself calls is counted too, but needs no trip.
        expected = {"cmdstat_evalsha": 1} if derived else {"cmdstat_mget": 1}
        assert {name: count for name, count in calls.items() if name in expected or name != "cmdstat_mget"} == expected

    async def go() -> None:
        features = FEATURES if derived else FEATURES[:7]
        keys = DERIVED if derived else {}
        async with SlateReader(world.store, features, CANDIDATE_KEYS, keys, deadline=5.0) as reader:
            await counted(reader)

    asyncio.run(go())


def test_now_is_when_the_rows_have_come_and_clocks_may_differ() -> None:
    found, times = np.array([True, True, True]), np.array([100, 130, 161])
    assert row_status(found, times, 50, 120, 120 + 40).tolist() == [Status.PRESENT, Status.PRESENT, Status.AFTER_AS_OF]
    assert row_status(found, times, 50, 120, 120).tolist() == [Status.PRESENT, Status.AFTER_AS_OF, Status.AFTER_AS_OF]
