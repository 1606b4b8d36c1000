"""Atomic writes: the whole content or none of it."""

from pathlib import Path

import pytest

from models.files import new_folder, replaced_file, scratch_folder, write_text


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file.json"
    write_text(path, "old")
    with replaced_file(path) as draft:
        assert draft.suffix == ".json"
        assert draft.parent.parent == path.parent
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = write_text(tmp_path / "file.txt", "old")
    with pytest.raises(FileNotFoundError), replaced_file(path) as draft:
        (draft.parent / "missing" / "half").write_text("half")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_appears_at_the_end(tmp_path: Path) -> None:
    with new_folder(tmp_path / "below" / "folder") as draft:
        (draft / "file").write_text("content")
        assert not (tmp_path / "below" / "folder").exists()
    assert (tmp_path / "below" / "folder" / "file").read_text() == "content"


def test_a_new_folder_never_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError, match="expected no such folder yet"), new_folder(tmp_path / "folder"):
        raise AssertionError("the block ran")


def test_an_error_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), new_folder(tmp_path / "folder"):
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_begins_empty_and_is_gone_at_the_end(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "left", "by a killed call")
    with pytest.raises(NotADirectoryError), scratch_folder(tmp_path / "a") as scratch:
        write_text(scratch / "file", "").joinpath("b").mkdir()
    assert not list(tmp_path.iterdir())
    with scratch_folder(tmp_path / "b") as scratch:
        assert not list(scratch.iterdir())
