"""Raw files and kept rows in object storage: the same tables as from a folder, and each file is fetched once."""

import logging
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources import professional, remote
from feature_repo.sources.errors import SourceError
from feature_repo.sources.files import keeping
from feature_repo.sources.ingest import ingest
from feature_repo.sources.parts import read_parts
from feature_repo.sources.remote import raw_folder
from feature_repo.sources.world_parts import write_parts
from models import storage
from models.spec import Spec, load_spec
from tests.feature_repo.sources.fakes import kuairand_folder
from tests.feature_repo.sources.test_kuairand import SPEC
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]

TABLES = {"likes": ("member", "post")}
LAST = date(2026, 4, 30)


@pytest.fixture
def likes(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of two files of likes, which changed long enough ago to be kept."""
    monkeypatch.setattr(remote, "RECENT", 0)
    for day in (1, 2):
        put(bucket, day, [day])
    return storage.join(bucket, "raw")


def put(bucket: str, day: int, members: list[int]) -> None:
    content = pd.DataFrame({"member": members, "post": ["a"] * len(members)}).to_parquet()
    storage.write_bytes(storage.join(bucket, "raw", "likes", f"{day}.parquet"), content)


def members(address: str, kept: str | None, caplog: pytest.LogCaptureFixture | None = None) -> list[int]:
    """What is read, with what the log said about it in ``caplog``."""
    if caplog:
        caplog.clear()
        caplog.set_level(logging.INFO)
    with raw_folder(address) as folder, keeping(kept):
        found = read_parts(folder, TABLES)["likes"]["member"].tolist()
        assert all(file.stat().st_size == 0 for file in folder.rglob("*.parquet")), "a raw file was left on the disk"
    return found


@pytest.mark.parametrize("place", ["here", "s3"])
def test_only_new_and_changed_files_are_fetched(
    likes: str, bucket: str, tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = str(tmp_path / "kept") if place == "here" else storage.join(bucket, "kept")
    assert members(likes, kept, caplog) == [1, 2]
    assert "2 read, 0 unchanged" in caplog.text
    assert members(likes, kept, caplog) == [1, 2]
    assert "0 read, 2 unchanged" in caplog.text
    put(bucket, 2, [2, 22])
    put(bucket, 3, [3])
    assert members(likes, kept, caplog) == [1, 2, 22, 3] == members(likes, None)
    assert "2 read, 1 unchanged" in caplog.text
    storage.remove(storage.join(likes, "likes", "1.parquet"))
    assert members(likes, kept) == [2, 22, 3]
    assert len(storage.names(kept)) == 2, "rows of files that are gone or were replaced"


def test_damaged_or_vanished_kept_rows_are_read_again(likes: str, bucket: str) -> None:
    kept = storage.join(bucket, "kept")
    members(likes, kept)
    first, second = storage.names(kept)
    storage.write_bytes(storage.join(kept, first), b"PAR1 not really")
    storage.remove(storage.join(kept, second))
    assert members(likes, kept) == [1, 2]
    assert len(storage.read_bytes(storage.join(kept, first))) > 100
    assert storage.names(kept) == [first, second]


def test_what_was_read_before_an_error_is_kept(likes: str, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    kept = storage.join(bucket, "kept")
    storage.write_bytes(storage.join(likes, "likes", "3.parquet"), b"no")
    with pytest.raises(SourceError, match=rf"{likes}/likes/3.parquet: expected a Parquet file"):
        members(likes, kept)
    put(bucket, 3, [3])
    assert members(likes, kept, caplog) == [1, 2, 3]
    assert "1 read, 2 unchanged" in caplog.text


def test_rows_of_a_file_that_has_just_changed_are_not_kept(
    likes: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "RECENT", 3600 * remote.SECOND)
    assert members(likes, storage.join(bucket, "kept")) == [1, 2]
    assert storage.names(storage.join(bucket, "kept")) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(likes: str, bucket: str) -> None:
    kept = storage.join(bucket, "kept")
    with raw_folder(likes) as folder, keeping(kept):
        put(bucket, 2, [2, 22, 222])
        read_parts(folder, TABLES)
    assert len(storage.names(kept)) == 1
    assert members(likes, kept) == [1, 2, 22, 222]


def test_a_file_that_goes_while_it_is_read_is_named(likes: str) -> None:
    gone = storage.join(likes, "likes", "1.parquet")
    with raw_folder(likes) as folder:
        storage.remove(gone)
        with pytest.raises(SourceError, match=f"{gone}: .*no such file"):
            read_parts(folder, TABLES)


def test_what_was_fetched_is_said(
    likes: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(remote, "_PROGRESS", 0)
    members(likes, None, caplog)
    assert f"MB fetched, up to {likes}/likes/2.parquet" in caplog.text


def test_places_without_raw_files_are_refused(bucket: str) -> None:
    for address, found in ((f"{bucket}/none", "no such file or folder"), (f"{bucket}-other/raw", "no such bucket")):
        with pytest.raises(SourceError, match=f"{address}: expected a folder of raw files .*; found {found}"):
            members(address, None)
    with pytest.raises(SourceError, match="found no files"):
        members(bucket, None)


def test_tables_of_object_storage_are_those_of_a_folder(
    tiny_spec: Spec, likes: str, bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is on the disk; rows are kept of all but the last day."""
    caplog.set_level(logging.INFO)
    world, raw = professional.simulated(tiny_spec), tmp_path / "raw"
    address, kept = storage.join(bucket, "world"), storage.join(bucket, "kept")
    for last in (LAST - timedelta(days=1), LAST):
        for file in write_parts(tiny_spec, world, raw, LAST - timedelta(days=1), last):
            storage.write_bytes(storage.join(address, file.relative_to(raw).as_posix()), file.read_bytes())
        if last < LAST:
            with raw_folder(address) as folder, keeping(kept):
                professional.read(tiny_spec, folder)
    found = ingest(tiny_spec, address, tmp_path / "remote", kept)
    assert f"{len(professional.TABLES)} read, {len(professional.TABLES)} unchanged" in caplog.text
    assert found == ingest(tiny_spec, raw, tmp_path / "here")


def test_logs_of_kuairand_in_object_storage(bucket: str, tmp_path: Path) -> None:
    spec, raw = load_spec(SPEC), kuairand_folder(tmp_path / "raw")
    storage.upload(raw, storage.join(bucket, "raw"))
    found = ingest(spec, storage.join(bucket, "raw"), tmp_path / "remote")
    assert found == ingest(spec, f"file://{raw}", tmp_path / "here")
