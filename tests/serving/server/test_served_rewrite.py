"""A member's lines are erased from the served log while servers append to it."""

import json
import os
import threading
from pathlib import Path
from unittest.mock import patch

import pytest

from models import clock
from models.served import read
from models.served_rewrite import erase
from serving.server.served_files import ServedFiles
from tests.serving.server.slates import served, slate

MODEL = "heliograph-one"


def _line(member: int, number: int) -> bytes:
    return json.dumps({"member": member, "number": number, "model": MODEL}, separators=(",", ":")).encode() + b"\n"


def _numbers(folder: Path) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for file in folder.glob("*.jsonl"):
        for line in filter(None, file.read_text(encoding="utf-8").splitlines()):
            found.setdefault(json.loads(line)["member"], []).append(json.loads(line)["number"])
    return found


def test_a_server_notices_that_its_file_was_replaced(tmp_path: Path) -> None:
    files = ServedFiles(tmp_path)
    for member, number in ((1, 0), (2, 1)):
        files.write(_line(member, number), clock.now())
    assert list(erase(tmp_path, 1, MODEL).values()) == [1]
    files.write(_line(2, 2), clock.now())
    assert _numbers(tmp_path) == {2: [1, 2]}


def test_no_line_of_others_is_lost_while_servers_append(tmp_path: Path) -> None:
    """Two servers append until their file has been replaced often enough."""
    replaced, written = 0, {0: 0, 1_000_000: 0}

    def serve(first: int) -> None:
        files = ServedFiles(tmp_path)
        while replaced < 20 and written[first] < 100_000:
            files.write(_line(1 + written[first] % 2, first + written[first]), clock.now())
            written[first] += 1
        files.close()

    threads = [threading.Thread(target=serve, args=(first,)) for first in written]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        replaced += len(erase(tmp_path, 1, MODEL))
    erase(tmp_path, 1, MODEL)
    expected = [first + number for first, count in written.items() for number in range(1, count, 2)]
    assert replaced >= 20
    assert {member: sorted(numbers) for member, numbers in _numbers(tmp_path).items()} == {2: expected}


def test_real_lines_go_and_the_file_keeps_mode_and_time(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7, 8), slate(2, 7), slate(12, 7))
    (file,) = tmp_path.glob("*.jsonl")
    os.utime(file, (1_000, 1_000))
    before = file.read_bytes()
    assert erase(tmp_path, 2, MODEL, dry_run=True) == {file.name: 1}
    assert file.read_bytes() == before
    assert erase(tmp_path, 2, MODEL) == {file.name: 1}
    assert list(read(tmp_path)["member"]) == [1, 1, 12]
    assert [line for line in before.splitlines(True) if b'"member":2,' not in line] == file.read_bytes().splitlines(
        True
    )
    assert (file.stat().st_mode & 0o777, file.stat().st_mtime) == (0o600, 1_000)
    assert erase(tmp_path, 2, MODEL) == {}
    assert erase(tmp_path / "none", 2, MODEL) == {}


def test_killed_half_way_a_file_is_as_it_was(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7), slate(2, 7))
    (file,) = tmp_path.glob("*.jsonl")
    before = file.read_bytes()
    with patch("models.served_rewrite.os.fsync", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        erase(tmp_path, 2, MODEL)
    assert file.read_bytes() == before
    assert erase(tmp_path, 2, MODEL) == {file.name: 1}
