"""Raw files are read once, and again when they change."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.sources.files import keeping, read_once


class Reads:
    """Reads files of numbers, and counts."""

    def __init__(self, kept: Path | None) -> None:
        self.kept, self.count = kept, 0

    def ingest(self, *files: Path, form: str = "numbers") -> list[list[str]]:
        with keeping(None if self.kept is None else str(self.kept)):
            return [read_once(file, form, lambda file=file: self._read(file))["n"].to_pylist() for file in files]  # type: ignore[misc]

    def _read(self, file: Path) -> pa.Table:
        self.count += 1
        return pa.table({"n": file.read_text(encoding="utf-8").split()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "raw.txt").write_text("1 2", encoding="utf-8")
    return tmp_path / "raw.txt"


@pytest.fixture
def reads(tmp_path: Path) -> Reads:
    return Reads(tmp_path / "kept")


def test_an_unchanged_file_is_read_once(reads: Reads, file: Path) -> None:
    assert reads.ingest(file) == reads.ingest(file) == [["1", "2"]]
    assert reads.count == 1


def test_without_a_folder_every_file_is_read(file: Path) -> None:
    reads = Reads(None)
    assert reads.ingest(file) == reads.ingest(file)
    assert reads.count == 2


def test_a_changed_file_is_read_again_also_with_size_and_time_as_before(reads: Reads, file: Path) -> None:
    reads.ingest(file)
    before = file.stat()
    file.write_text("3 4", encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reads.ingest(file) == [["3", "4"]]


def test_another_form_is_another_reading(reads: Reads, file: Path) -> None:
    reads.ingest(file)
    reads.ingest(file, form="other columns")
    assert reads.count == 2


def test_rows_of_files_that_are_gone_are_removed(reads: Reads, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("9", encoding="utf-8")
    reads.ingest(file, other)
    reads.ingest(other)
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_what_a_killed_ingest_left_unfinished_is_removed(reads: Reads, file: Path, tmp_path: Path) -> None:
    reads.ingest(file)
    (tmp_path / "kept" / ".abc.parquet.x1").mkdir()
    (tmp_path / "kept" / ".abc.parquet.x1" / "abc.parquet").write_bytes(b"half")
    reads.ingest(file)
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_rows_of_a_folder_are_not_kept(reads: Reads, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with keeping(str(reads.kept)):
        for number in range(2):
            found = read_once(tmp_path / "folder", "numbers", lambda number=number: pa.table({"n": [number]}))  # type: ignore[misc]
            assert found["n"].to_pylist() == [number]


def test_an_error_removes_nothing(reads: Reads, file: Path, tmp_path: Path) -> None:
    reads.ingest(file)
    with pytest.raises(FileNotFoundError):
        reads.ingest(tmp_path / "none.txt")
    reads.ingest(file)
    assert reads.count == 2  # the missing file, tried once, and the first reading


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", None])
def test_damaged_rows_are_read_again(reads: Reads, file: Path, tmp_path: Path, content: bytes | None) -> None:
    reads.ingest(file)
    (kept,) = (tmp_path / "kept").iterdir()
    whole = bytearray(kept.read_bytes())
    whole[len(whole) // 4] ^= 0xFF
    kept.write_bytes(bytes(whole) if content is None else content)
    assert reads.ingest(file) == [["1", "2"]]
    assert reads.count == 2
    assert pq.read_table(kept)["n"].to_pylist() == ["1", "2"]


def test_a_file_that_changes_while_it_is_read_is_not_kept(reads: Reads, file: Path, tmp_path: Path) -> None:
    def read() -> pa.Table:
        file.write_text("5 6 7", encoding="utf-8")
        return pa.table({"n": ["1", "2"]})

    with keeping(str(reads.kept)):
        read_once(file, "numbers", read)
    assert reads.ingest(file) == [["5", "6", "7"]]
