"""Files of the served log: days, sizes, modes, and disks that fail."""

import os
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from models import clock
from models.served import read
from models.time_units import DAY
from serving.server.served_files import ServedFiles
from serving.server.served_log import ServedLog
from tests.serving.running import wait_until
from tests.serving.server.slates import served, slate


def test_a_partial_line_is_skipped_and_ended(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole + whole[: len(whole) // 2], encoding="utf-8")
    assert list(read(tmp_path)["item"]) == [7]
    served(tmp_path, slate(2, 8))
    assert list(read(tmp_path)["item"]) == [7, 8]


def test_a_line_that_another_process_left_unfinished_is_ended(tmp_path: Path) -> None:
    """Two processes share the folder, and have the file open when one of them is killed."""
    one, other = ServedFiles(tmp_path), ServedFiles(tmp_path)
    log = ServedLog(other, "heliograph-one")
    one.write(b"{}\n", clock.now())
    log.write(slate(1, 7))
    wait_until(lambda: len(read(tmp_path)) == 1, 20)
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as stream:
        stream.write(b'{"served": 1, "req')
    log.write(slate(2, 8, 9))
    log.close()
    assert list(read(tmp_path)["item"]) == [7, 8, 9]


def test_full_files_are_continued_and_the_oldest_are_removed(tmp_path: Path) -> None:
    served(tmp_path, *[slate(member, 7) for member in range(1, 7)], file_bytes=300, files=3)
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    assert list(read(tmp_path)["member"])[-1] == 6


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folder_and_files_are_private(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "endpoint" / "served"
    folder.parent.mkdir()
    before = os.umask(umask)
    try:
        served(folder, slate(1, 7), slate(2, 7), slate(3, 7), file_bytes=10)
    finally:
        os.umask(before)
    files = list(folder.glob("*"))
    assert len(files) == 3  # the first, and two after it was full
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_log_of_an_older_release_becomes_private(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (today,) = tmp_path.glob("*.jsonl")
    old = tmp_path / "2020-01-01.jsonl"
    old.write_bytes(today.read_bytes())
    for path, mode in ((tmp_path, 0o755), (today, 0o644), (old, 0o666)):
        path.chmod(mode)
    served(tmp_path, slate(2, 7))
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, today, old)] == [0o700, 0o600, 0o600]
    assert len(read(tmp_path)) == 3


def test_every_day_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ServedLog(ServedFiles(tmp_path), "heliograph-one")
    for day in (0, 0, 1):
        monkeypatch.setattr("models.clock.now", lambda day=day: day * DAY)
        log.write(slate(1, 7))
    log.close()
    lines = {file.name: len(file.read_bytes().split()) for file in tmp_path.iterdir()}
    assert lines == {"1970-01-01.jsonl": 2, "1970-01-02.jsonl": 1}


def test_a_file_takes_lines_until_it_is_full(tmp_path: Path) -> None:
    served(tmp_path, slate(1, 7))
    (file,) = tmp_path.iterdir()
    size = file.stat().st_size
    served(tmp_path, slate(2, 7), slate(3, 7), file_bytes=2 * size)
    assert sorted(len(file.read_bytes().split(b"\n\n")) for file in tmp_path.iterdir()) == [1, 2]


def test_a_full_disk_loses_only_the_lines_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(FileIO):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise OSError(ENOSPC, "no space left")

    def once(path: Path) -> FileIO:
        monkeypatch.undo()
        return Full(path, "ab")

    monkeypatch.setattr("serving.server.served_files._open_for_append", once)
    log = served(tmp_path, slate(1, 7), slate(2, 8), slate(3, 9), file_bytes=1)
    assert log.dropped == 1
    assert sorted(read(tmp_path)["item"]) == [7, 9]


class Broken(FileIO):
    """A file that takes half of what it is given, and then nothing more."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "ab")
        self._calls = 0

    def write(self, data: Any) -> int:
        self._calls += 1
        if self._calls == 2:
            raise OSError(ENOSPC, "no space left")
        return super().write(data[: len(data) // 2])


def test_half_a_slate_is_ended_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(path: Path) -> FileIO:
        monkeypatch.undo()
        return Broken(path)

    monkeypatch.setattr("serving.server.served_files._open_for_append", once)
    log = served(tmp_path, slate(1, 7), slate(2, 8))
    assert log.dropped == 1
    assert list(read(tmp_path)["item"]) == [8]


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(FileIO):
        def write(self, data: Any) -> int:
            return super().write(data[:100])

    monkeypatch.setattr("serving.server.served_files._open_for_append", lambda path: Short(path, "ab"))
    assert served(tmp_path, slate(1, 7), slate(2, 8)).dropped == 0
    assert list(read(tmp_path)["item"]) == [7, 8]


def test_the_lines_of_a_slate_are_one_write_and_synchronized_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So servers that share a folder do not mix their lines."""
    written: list[int] = []
    synchronized: list[int] = []
    files = ServedFiles(tmp_path)
    files.write(b"{}\n", 0)
    assert (tmp_path / "1970-01-01.jsonl").read_bytes() == b"\n{}\n"  # nothing is held back
    files.close()
    lines = b"{}\n" * 100_000

    class Counted(FileIO):
        def write(self, data: Any) -> int:
            written.append(len(data))
            return super().write(data)

    monkeypatch.setattr("serving.server.served_files._open_for_append", lambda path: Counted(path, "ab"))
    monkeypatch.setattr("os.fsync", synchronized.append)
    files.write(lines, DAY)
    assert (tmp_path / "1970-01-02.jsonl").read_bytes() == b"\n" + lines
    assert (written, synchronized) == ([len(lines) + 1], [])
    files.close()
    assert len(synchronized) == 1
    files.close()
    assert len(synchronized) == 1
