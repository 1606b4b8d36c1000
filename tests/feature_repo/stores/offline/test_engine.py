"""DuckDB's settings, its time limit, and the conditions that skip row groups."""

import threading
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from feature_repo.stores.offline.engine import Bounds, connected, is_time, near, source_time, unit_of
from feature_repo.stores.offline.entities import Entities
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.parquet import ParquetTable
from feature_repo.stores.offline.pull import Pull
from feature_repo.stores.offline.requested import RequestedView

SLOW = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> Any:
    return connection.execute(f"SELECT current_setting('{name}')").fetchall()[0][0]


def test_a_connection_has_its_bounds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1]})
    with connected(Bounds("300MB", 3, tmp_path)) as connection:
        assert (setting(connection, "threads"), setting(connection, "TimeZone")) == (3, "UTC")
        assert setting(connection, "autoinstall_known_extensions") is False
        assert Path(setting(connection, "temp_directory")).parent == tmp_path
        assert len(list(tmp_path.iterdir())) == 1
        with pytest.raises(duckdb.CatalogException, match="frame"):
            connection.sql("FROM frame")
    assert list(tmp_path.iterdir()) == []
    assert len(frame) == 1


def test_statements_that_take_too_long_are_interrupted() -> None:
    with (
        pytest.raises(TimeoutError, match=r"^offline store: expected a result within 0\.05 s; it took longer$"),
        connected(Bounds("300MB", 1), 0.05) as connection,
    ):
        connection.execute(SLOW)


def test_the_timer_ends_with_the_block() -> None:
    before = set(threading.enumerate())
    with connected(Bounds("300MB", 1), 20.0) as connection:
        (timer,) = (thread for thread in set(threading.enumerate()) - before if isinstance(thread, threading.Timer))
        assert connection.execute("SELECT 1").fetchone() == (1,)
    timer.join(2.0)
    assert not timer.is_alive()
    with connected(Bounds("300MB", 1)):
        assert not [one for one in set(threading.enumerate()) - before if isinstance(one, threading.Timer)]


def test_units() -> None:
    assert (unit_of("TIMESTAMP", "DATE"), unit_of("TIMESTAMP", "TIMESTAMP_NS"), unit_of()) == ("us", "ns", "us")
    assert [is_time(kind) for kind in ("DATE", "TIMESTAMPTZ_NS", "VARCHAR")] == [True, True, False]
    assert source_time("at", "ns") == 'epoch_ns(source."at")'


@pytest.mark.parametrize(
    ("kind", "bounds", "conditions"),
    [
        ("TIMESTAMP", (10**7, 2 * 10**7), [">= make_timestamp(9000000)", "<= make_timestamp(21000000)"]),
        ("TIMESTAMP", (None, 0), ["<= make_timestamp(1000000)"]),
        ("TIMESTAMP WITH TIME ZONE", (0, None), [">= make_timestamptz(-1000000)"]),
        ("TIMESTAMP_NS", (10**7, 2 * 10**7), [">= make_timestamp_ns(9000000000)", "<= make_timestamp_ns(21000000000)"]),
        ("TIMESTAMPTZ_NS", (0, None), [">= make_timestamp_ns(-1000000000)::TIMESTAMPTZ_NS"]),
        ("TIMESTAMP", (-(2**63), 2**63), [f">= make_timestamp({-(2**62)})", f"<= make_timestamp({2**62})"]),
        (
            "TIMESTAMP_NS",
            (-(2**63), 2**63),
            [f">= make_timestamp_ns({10**9 - 2**63})", f"<= make_timestamp_ns({2**63 - 10**9})"],
        ),
        ("TIMESTAMP_S", (0, 1), []),
        ("TIMESTAMP", (None, None), []),
    ],
)
def test_a_condition_is_a_second_wider(kind: str, bounds: tuple[Any, Any], conditions: list[str]) -> None:
    found = near("at", kind, *bounds)
    assert found.split(" AND ") == ['source."at" IS NOT NULL', *(f'source."at" {one}' for one in conditions)]
    with connected(Bounds("300MB", 1)) as connection:
        connection.execute(f"SELECT {found} FROM (SELECT TIMESTAMP '2026-01-01'::{kind} AS at) source")


@pytest.mark.parametrize("kind", [Bounds, Entities, Location, ParquetTable, Pull, RequestedView])
def test_records_do_not_change(kind: type) -> None:
    record: Any = object.__new__(kind)
    with pytest.raises(FrozenInstanceError):
        record.name = "other"
