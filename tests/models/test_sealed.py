"""Files that a manifest names: plain names, plain files, read once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from models.sealed import (
    SealError,
    check_same,
    hash_plain,
    json_object,
    open_plain,
    plain_files,
    read_plain,
    stated_files,
)

DIGEST = "0" * 64
BAD_NAMES = [
    *("", ".", "..", "/etc/passwd", "../a", "a/../b", "a/..", "./a", "a/./b", "a//b", "a/", "/", "//a"),
    *("a\\b", "..\\a", "C:a", "a\0", "a\nb", "a\u202eb", "\ufeffa", " a", "a ", "a/ b", "e\u0301", "\ud800"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_not_plain_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SealError, match="expected names of files below its folder"):
        stated_files({"files": {name: DIGEST}}, tmp_path)
    with pytest.raises(SealError):
        open_plain(tmp_path, name)


@pytest.mark.parametrize(
    "files", [None, [], {"a": DIGEST[1:]}, {"a": 5}, {"a": DIGEST.replace("0", "G")}, {"a": DIGEST, "A": DIGEST}]
)
def test_what_does_not_state_digests_is_refused(tmp_path: Path, files: object) -> None:
    with pytest.raises(SealError):
        stated_files({"files": files}, tmp_path)


def test_names_and_digests_come_back(tmp_path: Path) -> None:
    assert stated_files({"files": {}}, tmp_path) == {}
    named = {"a.json": DIGEST, "b/c d.safetensors": DIGEST, "\u00e9": DIGEST}
    assert stated_files({"files": named}, tmp_path) == named


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"1", b"\xff", b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}', b"[" * 10**5]
)
def test_a_manifest_is_one_json_object_without_a_key_twice(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(SealError):
        json_object(raw, tmp_path)


def link(path: Path) -> None:
    path.symlink_to(path.with_name("other"))


def to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [link, to_nothing, device, os.mkfifo, Path.mkdir])
def test_only_plain_files_are_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "other").write_bytes(b"x")
    make(tmp_path / "a")
    with pytest.raises(SealError, match="expected a plain file; found"):
        read_plain(tmp_path, "a")
    if make is not Path.mkdir:
        with pytest.raises(SealError, match="expected a plain file; found"):
            plain_files(tmp_path)


def test_no_folder_on_the_way_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"x")
    (tmp_path / "linked").symlink_to("real")
    assert read_plain(tmp_path, "real/a") == b"x"
    with pytest.raises(SealError):
        read_plain(tmp_path, "linked/a")
    with pytest.raises(SealError, match="a symbolic link"):
        plain_files(tmp_path)
    with pytest.raises(SealError, match="expected the file that the manifest names; found none"):
        read_plain(tmp_path, "real/b")
    (tmp_path / "linked").unlink()
    assert plain_files(tmp_path) == ["real/a"]


def test_a_file_that_is_another_than_the_one_that_was_hashed_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    _, identity = hash_plain(tmp_path, "a")
    check_same(tmp_path, {"a": identity})
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "b").rename(file)
    with pytest.raises(SealError, match="found it changed"):
        check_same(tmp_path, {"a": identity})
    _, identity = hash_plain(tmp_path, "a")
    kept = file.stat()
    file.write_bytes(b"six")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # what was written at can be set back, ctime cannot
    with pytest.raises(SealError, match="found it changed"):
        check_same(tmp_path, {"a": identity})
