"""The served log of a pod in object storage: a real S3 server, and the same rows as in the folder."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models import served_parts, storage
from models.served import COLUMNS, read
from models.served_parts import erase, write
from models.storage import files_below, join
from models.time_units import DAY
from serving.server.served_collector import Collector, collecting
from tests.s3_server import bucket, s3_server
from tests.serving.running import wait_until
from tests.serving.server.slates import served, slate

__all__ = ["bucket", "s3_server"]

HERE = "model=heliograph-one/version=4/"


def parts(address: str) -> list[str]:
    return list(files_below(address))


def test_the_address_has_the_rows_of_the_folder(tmp_path: Path, bucket: str) -> None:
    served(tmp_path, slate(1, 7, 9), slate(2, 5, number=1))
    assert Collector(tmp_path, bucket).collect() == 3
    (part,) = parts(bucket)
    day = next(tmp_path.glob("*.jsonl")).stem
    assert part.startswith(f"{HERE}day={day}/")
    expected, found = read(tmp_path), read(bucket)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False)
    since = int(expected["served"].iloc[-1])
    assert list(read(bucket, since=since)["member"]) == [2]
    assert list(read(bucket, since=since + 1)["member"]) == []
    assert list(read(bucket, model="heliograph-two")["member"]) == []


def test_the_newest_rows_are_read_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"model": "m", "model_version": "1", "adjustments": [], "stale": []}
    for day in range(5):
        ids = [{"slate": f"{day}", "impression": f"{day}/0/{rank}"} for rank in range(2)]
        write(
            str(tmp_path), f"part-{day}", [{**own, **one, "served": day * DAY + rank} for rank, one in enumerate(ids)]
        )
    monkeypatch.setattr("models.served_parts._READERS", 1)
    unpacked, seen = served_parts._unpacked, list[str]()
    monkeypatch.setattr("models.served_parts._unpacked", lambda part: (seen.append(part), unpacked(part))[1])
    assert list(read(str(tmp_path), most=3)["served"]) == [3 * DAY + 1, 4 * DAY, 4 * DAY + 1]
    assert len(seen) == 2


def test_a_part_grows_until_it_is_full(tmp_path: Path, bucket: str) -> None:
    collector = Collector(tmp_path, bucket, full_rows=3)
    for number, count in enumerate([1, 1, 1, 2, 2]):
        served(tmp_path, slate(number, 7, number=number))
        collector.collect()
        assert len(parts(bucket)) == count, number
        assert len(read(bucket)) == number + 1
    assert collector.collect() == 0


def test_a_line_that_is_not_finished_is_sent_when_it_is(tmp_path: Path, bucket: str) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    line, collector = file.read_bytes(), Collector(tmp_path, bucket)
    file.write_bytes(line + line[:20])
    assert collector.collect() == 1
    assert collector.collect() == 0
    file.write_bytes(line + line[:20] + b"\n" + line.replace(b"/0/0", b"/0/1"))
    collector.collect()
    assert len(read(bucket)) == 2


def test_a_block_that_ends_in_a_line_and_a_line_longer_than_a_block(tmp_path: Path, bucket: str) -> None:
    for number in range(9):
        served(tmp_path, slate(number, 7, number=number))
    collector = Collector(tmp_path, bucket, block=1000)
    collector.collect()
    assert sorted(read(bucket)["member"]) == list(range(9))
    assert len(parts(bucket)) > 1
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as stream:
        stream.write(b'{"served": "' + b"x" * 5000 + b'"}\n')
    served(tmp_path, slate(9, 7, number=9))
    collector.collect()
    assert sorted(read(bucket)["member"]) == list(range(10))


def test_a_restarted_container_goes_on_and_one_without_its_notes_sends_nothing_twice(
    tmp_path: Path, bucket: str
) -> None:
    served(tmp_path, slate(1, 7))
    Collector(tmp_path, bucket).collect()
    assert Collector(tmp_path, bucket).collect() == 0
    (tmp_path / ".collected.json").write_text("torn", encoding="utf-8")
    assert Collector(tmp_path, bucket).collect() == 1
    assert len(parts(bucket)) == 2
    assert len(read(bucket)) == 1


def test_lines_that_come_meanwhile_are_for_the_next_look(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a server that is busy keeps its collector sending for ever."""
    served(tmp_path, slate(0, 7))
    names: list[str] = []

    def slow(address: str, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        assert len(names) < 3
        names.append(name)
        served(tmp_path, slate(len(names), 7, number=len(names)))
        return write(address, name, rows)

    monkeypatch.setattr("models.served_parts.write", slow)
    collector = Collector(tmp_path, bucket)
    assert [collector.collect(), collector.collect()] == [1, 2]
    assert len(names) == 2


def test_what_storage_did_not_take_is_sent_next_time(tmp_path: Path, bucket: str) -> None:
    served(tmp_path, slate(1, 7))
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        Collector(tmp_path, "s3://nobody-made-this").collect()
    assert Collector(tmp_path, bucket).collect() == 1


def test_an_empty_folder_and_an_empty_address(tmp_path: Path, bucket: str) -> None:
    assert Collector(tmp_path / "missing", bucket).collect() == 0
    assert list(read(bucket).columns) == list(COLUMNS)
    assert list(read(join(bucket, "nothing")).columns) == list(COLUMNS)


def test_values_of_two_types_and_a_time_that_no_calendar_has(tmp_path: Path) -> None:
    ids = {"slate": "x/0", "impression": "x/0/0"}
    own = {"served": 1, "model": "a/b", "model_version": "1", **ids, "adjustments": [], "stale": []}
    rows = [{**own, "mixed": 1}, {**own, "impression": "x/0/1", "mixed": "one"}, {**own, "served": 1 << 62}]
    assert write(str(tmp_path), "part", rows) == 2
    assert list(read(str(tmp_path))["mixed"]) == ["1", '"one"']
    assert parts(str(tmp_path)) == ["model=a%2Fb/version=1/day=1970-01-01/part.parquet"]


def test_a_member_is_erased_from_the_parts_and_others_stay(tmp_path: Path, bucket: str) -> None:
    served(tmp_path, slate(1, 7, 9), slate(2, 5, number=1))
    Collector(tmp_path, bucket).collect()
    (part,) = parts(bucket)
    assert erase(bucket, 1, "heliograph-one", dry_run=True) == {part: 2}
    assert len(read(bucket)) == 3
    assert erase(bucket, 1, "heliograph-two") == erase(bucket, "1", "heliograph-one") == {}
    assert erase(bucket, 1, "heliograph-one") == {part: 2}
    assert list(read(bucket)["member"]) == [2]
    assert erase(bucket, 2, "heliograph-one") == {part: 1}
    assert parts(bucket) == []
    assert erase(join(bucket, "nothing"), 2, "heliograph-one") == {}


def test_a_part_that_a_pod_replaces_meanwhile_keeps_the_rows_of_others(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new content is read again; a part that never rests is an error."""
    served(tmp_path, slate(1, 7))
    collector, read_bytes, looks = Collector(tmp_path, bucket), storage.read_bytes, []
    collector.collect()

    def replaced(address: str) -> bytes:
        content = read_bytes(address)
        looks.append(address)
        if len(looks) <= replacements:
            served(tmp_path, slate(2, 7, 9, number=len(looks)))
            collector.collect()
        return content

    monkeypatch.setattr(storage, "read_bytes", replaced)
    replacements = 1
    assert list(erase(bucket, 1, "heliograph-one").values()) == [1]
    assert list(read(bucket)["member"]) == [2, 2]
    looks, replacements = [], 99
    with pytest.raises(OSError, match=r"found it replaced 5 times\. Repeat"):
        erase(bucket, 2, "heliograph-one")


def test_the_last_lines_are_sent_when_the_server_has_ended(tmp_path: Path, bucket: str) -> None:
    with collecting(str(tmp_path), bucket):
        served(tmp_path, slate(1, 7))
    assert list(read(bucket)["member"]) == [1]
    with collecting(str(tmp_path / "other"), ""):
        pass


def test_the_process_ends_with_a_server_that_was_killed(tmp_path: Path, bucket: str) -> None:
    script = (
        "import os; from serving.server.served_collector import collecting\n"
        f"with collecting({str(tmp_path)!r}, {bucket!r}):\n    os.kill(os.getpid(), 9)\n"
    )
    served(tmp_path, slate(1, 7))
    subprocess.run([sys.executable, "-c", script], check=False)
    wait_until(lambda: len(read(bucket)) == 1)
