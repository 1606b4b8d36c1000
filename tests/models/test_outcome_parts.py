"""Stored outcomes: parts by day, pushed once, erased by impression."""

from pathlib import Path

import pyarrow.parquet as pq

from models.outcome_parts import Outcome, address_of, erase, parts, push, write
from models.time_units import DAY

FIRST, SECOND = Outcome("a/0/0", "click", 1, 5, 6), Outcome("b/0/0", "click", 0, 5, DAY + 6)


def ids(address: str) -> list[list[str]]:
    return [pq.read_table(part, partitioning=None)["impression"].to_pylist() for part in parts(address)]


def test_parts_lie_by_the_day_of_receiving(tmp_path: Path) -> None:
    address = address_of(str(tmp_path), "small")
    assert parts(address) == []
    assert write(address, "part", []) == 0
    assert write(address, "part", [FIRST, SECOND]) == 2
    folder = f"{tmp_path}/outcomes/small"
    assert parts(address) == [f"{folder}/day=1970-01-01/part.parquet", f"{folder}/day=1970-01-02/part.parquet"]
    assert parts(address, "1970-01-02") == [f"{folder}/day=1970-01-02/part.parquet"]
    assert ids(address) == [["a/0/0"], ["b/0/0"]]


def test_the_same_outcomes_are_pushed_once_whenever_they_come(tmp_path: Path) -> None:
    address = str(tmp_path)
    assert push(address, []) == 0
    assert push(address, [FIRST]) == 1
    assert push(address, [FIRST._replace(received=5 * DAY)]) == 0
    assert push(address, [FIRST._replace(value=0)]) == 1


def test_a_push_is_one_part_whenever_its_outcomes_were_received(tmp_path: Path) -> None:
    address = str(tmp_path)
    assert push(address, [SECOND, FIRST]) == 2
    assert [part.removeprefix(address)[1:15] for part in parts(address)] == ["day=1970-01-02"]
    assert ids(address) == [["b/0/0", "a/0/0"]]
    assert push(address, [SECOND, FIRST]) == 0


def test_only_the_outcomes_of_the_impressions_are_erased(tmp_path: Path) -> None:
    address = str(tmp_path)
    write(address, "part", [FIRST, SECOND, FIRST._replace(impression="c/0/0")])
    assert erase(address, []) == {}
    found = {"day=1970-01-01/part.parquet": 1, "day=1970-01-02/part.parquet": 1}
    assert erase(address, ["a/0/0", "b/0/0", "unknown"], dry_run=True) == found
    assert ids(address) == [["a/0/0", "c/0/0"], ["b/0/0"]]
    assert erase(address, ["a/0/0", "b/0/0", "unknown"]) == found
    assert ids(address) == [["c/0/0"]]
