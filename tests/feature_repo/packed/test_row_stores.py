"""Both kinds of row store: the newest row wins in any order, changes are never lost, readers are never held up."""

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.packed.errors import ConflictError, UnsupportedError
from feature_repo.packed.redis import RedisRows, redis_arguments
from feature_repo.packed.rows import RowStore
from feature_repo.packed.sqlite import TABLE, SqliteRows

FORK = multiprocessing.get_context("fork")
SMALL = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
MOMENTS = st.sampled_from([-(2**63), -(2**32) - 1, -(2**32), -1, 0, 1, 2**32 - 1, 2**32, 2**63 - 1])
ROWS = st.lists(st.tuples(st.sampled_from([b"a\0x", b"a\0y", b"b\0x"]), MOMENTS, MOMENTS), max_size=8)


@pytest.fixture(params=["sqlite", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "rows.db") if request.param == "sqlite" else request.getfixturevalue("redis_address")


def connect(address: str) -> RowStore:
    return SqliteRows(address) if address.endswith(".db") else RedisRows(address)


@pytest.fixture
def rows(address: str) -> Iterator[RowStore]:
    store = connect(address)
    yield store
    store.close()


def packed(event: int, created: int = 0, rest: bytes = b"") -> bytes:
    return b"".join((moment + 2**63).to_bytes(8, "big") for moment in (event, created)) + rest


@SMALL
@given(ROWS, st.data())
def test_the_newest_row_stays_in_whatever_order_rows_come(
    rows: RowStore, given: list[tuple[bytes, int, int]], data: st.DataObject
) -> None:
    rows.delete(b"")
    pairs = [(key, packed(event, created)) for key, event, created in given]
    for start in range(0, len(pairs), 3):
        rows.write_newest(pairs[start : start + 3])
    once = dict(rows.dump(b""))
    assert once == {key: max(row for other, row in pairs if other == key) for key, _ in pairs}
    rows.write_newest(data.draw(st.permutations(pairs)))
    assert dict(rows.dump(b"")) == once


def test_a_row_of_the_same_moments_is_replaced(rows: RowStore) -> None:
    rows.write_newest([(b"k", packed(-5, 1, b"old"))])
    rows.write_newest([(b"k", packed(-5, 1, b"new"))])
    assert rows.read([b"k", b"none", b"k"]) == [packed(-5, 1, b"new"), None, packed(-5, 1, b"new")]
    rows.write_newest([(b"k", packed(-5, 0, b"late"))])
    assert rows.read([b"k"]) == [packed(-5, 1, b"new")]


def test_many_rows_are_read_and_written(rows: RowStore) -> None:
    pairs = [(b"k%d" % i, packed(i)) for i in range(12_345)]
    rows.write_newest(pairs)
    assert rows.read([key for key, _ in pairs]) == [row for _, row in pairs]
    assert rows.delete(b"k") == len(pairs)
    assert rows.read([]) == []
    rows.write_newest([])


@pytest.mark.parametrize("prefix", [b"a\0b\0", b"a*\0", b"a?[b]\\^-\0", b"a\xff"])
def test_delete_and_dump_take_what_begins_so_and_nothing_else(rows: RowStore, prefix: bytes) -> None:
    others = [b"a", b"a\0b", b"a\0bc\0x", b"ab\0x", b"a\0c\0", b"b", b"\xff", b"a[\0", b"a\xfe"]
    some = sorted([prefix, prefix + b"\0", prefix + b"\xff\xff", prefix + b"x"])
    rows.write_newest([(key, packed(1)) for key in [*others, *some]])
    assert list(rows.dump(prefix)) == [(key, packed(1)) for key in some]
    assert rows.delete(prefix) == len(some)
    assert dict(rows.dump(b"")).keys() == set(others)
    assert rows.delete(prefix) == 0


def test_change_sees_all_rows_and_leaves_those_that_it_does_not_give(rows: RowStore) -> None:
    rows.write_newest([(b"a", packed(9)), (b"b", packed(9))])
    rows.change([b"b", b"c", b"a"], lambda found: [found[2], b"x", None] if found[1] is None else [])
    assert rows.read([b"a", b"b", b"c"]) == [packed(9), packed(9), b"x"]
    rows.change([], lambda found: found)

    def fail(found: list[bytes | None]) -> list[bytes | None]:
        raise KeyError

    with pytest.raises(KeyError):
        rows.change([b"a"], fail)
    rows.change([b"a"], lambda found: [packed(1)])  # earlier: change is not bound by moments
    assert rows.read([b"a", b"b"]) == [packed(1), packed(9)]


def test_change_gives_a_row_for_every_key_or_nothing_is_written(rows: RowStore) -> None:
    with pytest.raises(ValueError, match="zip"):
        rows.change([b"a", b"b"], lambda _: [b"x"])
    with pytest.raises(ValueError, match="zip"):
        rows.change([b"a", b"b"], lambda _: [b"x"] * 3)
    assert rows.read([b"a", b"b"]) == [None, None]
    rows.change([b"a"], lambda _: [None])
    assert rows.read([b"a"]) == [None]


def test_a_row_ahead_of_the_latest_time_is_replaced(rows: RowStore) -> None:
    for latest in (-(2**40), 5, 2**40):
        keys = [b"%d %d" % (latest, i) for i in range(2)]
        rows.write_newest([(keys[0], packed(latest, 9)), (keys[1], packed(latest + 1, 9))])
        rows.write_newest([(key, packed(latest - 1)) for key in keys], latest)
        assert rows.read(keys) == [packed(latest, 9), packed(latest - 1)]


def test_the_last_of_equal_moments_wins_within_a_write(rows: RowStore) -> None:
    rows.write_newest([(b"k", packed(1, 0, b"z")), (b"k", packed(1, 0, b"a"))])
    assert rows.read([b"k"]) == [packed(1, 0, b"a")]


def test_remove_takes_the_rows_of_its_keys_alone(rows: RowStore) -> None:
    keys = [b"a", b"b", b"c", b"d"]
    rows.write_newest([(key, packed(1)) for key in keys])
    assert rows.remove([b"a", b"none", b"c", b"b"]) == 3
    assert [key for key, _ in rows.dump(b"")] == [b"d"]
    assert (rows.remove([]), rows.remove([b"a"])) == (0, 0)


def test_delete_leaves_the_next_prefix(rows: RowStore) -> None:
    rows.write_newest([(key, packed(1)) for key in (b"ab", b"ab\xff", b"ac", b"ac\0", b"b", b"aa\xff")])
    assert [key for key, _ in rows.dump(b"ab")] == [b"ab", b"ab\xff"]
    assert rows.delete(b"ab") == 2
    assert [key for key, _ in rows.dump(b"")] == [b"aa\xff", b"ac", b"ac\0", b"b"]


def add_one(found: list[bytes | None]) -> list[bytes | None]:
    return [str(int(row or 0) + 1).encode() for row in found]


def add_fifty(address: str) -> None:
    rows = connect(address)
    for _ in range(50):
        rows.change([b"one", b"two"], add_one)


def test_no_change_is_lost_among_processes_and_threads(rows: RowStore, address: str) -> None:
    others = [FORK.Process(target=add_fifty, args=(address,)) for _ in range(2)]
    for other in others:
        other.start()

    def work() -> None:
        for _ in range(50):
            rows.change([b"two", b"one"], add_one)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for waiting in [*threads, *others]:
        waiting.join()
    assert [other.exitcode for other in others] == [0, 0]
    assert rows.read([b"one", b"two"]) == [b"200", b"200"]


def test_sqlite_readers_go_on_while_a_writer_writes(tmp_path: Path) -> None:
    rows, other = SqliteRows(tmp_path / "rows.db"), SqliteRows(tmp_path / "rows.db")
    rows.write_newest([(b"a", packed(1))])

    def write(found: list[bytes | None]) -> list[bytes | None]:
        assert other.read([b"a"]) == [packed(1)]  # another connection, in the middle of the transaction
        return [packed(2)]

    rows.change([b"a"], write)
    assert other.read([b"a"]) == [packed(2)]


def write_until_killed(path: Path) -> None:
    rows = SqliteRows(path)

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        for i in range(1_000):
            yield b"k%d" % i, packed(i)
        os.kill(os.getpid(), signal.SIGKILL)

    with rows._transaction() as connection:
        connection.executemany(f"INSERT INTO {TABLE} (key, row) VALUES (?, ?)", pairs())


def test_a_killed_writer_leaves_all_or_nothing(tmp_path: Path) -> None:
    writer = FORK.Process(target=write_until_killed, args=(tmp_path / "rows.db",))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    rows = SqliteRows(tmp_path / "rows.db")
    assert list(rows.dump(b"")) == []
    rows.write_newest([(b"a", packed(1))])
    assert rows.read([b"a"]) == [packed(1)]


def test_redis_gives_up_where_others_do_not_stop(redis_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_repo.packed import redis

    monkeypatch.setattr(redis, "_ATTEMPTS", 3)
    rows, other = RedisRows(redis_address), RedisRows(redis_address)
    calls: list[Any] = []

    def disturbed(found: list[bytes | None]) -> list[bytes | None]:
        calls.append(found)
        other.write_newest([(b"a", packed(len(calls)))])
        return [b"mine"]

    with pytest.raises(ConflictError, match="within 3 attempts"):
        rows.change([b"a"], disturbed)
    assert calls == [[None], [packed(1)], [packed(2)]]
    assert rows.read([b"a"]) == [packed(3)]


def test_a_redis_that_forgot_the_script_gets_it_again(redis_address: str) -> None:
    from redis import Redis

    rows = RedisRows(redis_address)
    rows.write_newest([(b"a", packed(1))])
    host, port = redis_address.split(":")
    Redis(host, int(port)).script_flush()
    rows.write_newest([(b"a", packed(2))])
    assert rows.read([b"a"]) == [packed(2)]


def test_several_servers_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="expected one host:port; found 2"):
        RedisRows("one:1,two:2,db=0")
    with pytest.raises(UnsupportedError, match="expected one host:port; found 0"):
        redis_arguments("db=0")


def test_a_connection_string_gives_arguments() -> None:
    assert redis_arguments("localhost") == {"host": "localhost", "port": 6379}
    assert redis_arguments("::1:7,db=2,ssl=true,password=a=b") == {
        "host": "::1", "port": 7, "db": 2, "ssl": True, "password": "a=b"
    }  # fmt: skip


def test_closing_ends_the_connections_of_all_threads(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "deep" / "er" / "rows.db")
    seen: list[Any] = [rows._connection]
    thread = threading.Thread(target=lambda: seen.append(rows._connection))
    thread.start()
    thread.join()
    assert seen[0] is rows._connection is not seen[1]
    modes = [rows._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 1]
    rows.close()
    for connection in seen:
        with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
            connection.execute("SELECT 1")
    assert rows.read([b"a"]) == [None]
    rows.close()


def test_closing_leaves_redis(redis_address: str) -> None:
    from redis import Redis

    rows, other = RedisRows(redis_address, client_name="leaving"), Redis(*redis_address.split(":"))
    rows.read([b"a"])
    assert "leaving" in {client["name"] for client in other.client_list()}
    rows.close()
    assert any("leaving" not in {client["name"] for client in other.client_list()} for _ in range(1_000))
