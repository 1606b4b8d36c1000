"""Files are written whole, into folders that do not exist yet, here and on other file systems."""

from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.errors import SavedDatasetLocationAlreadyExists

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.write import append, log, write_new

ROWS = pa.table({"key": [1, 2, 3]})
REMOTE = [None, fsspec.filesystem("file", auto_mkdir=False)]


def read(path: Path) -> dict[str, list[Any]]:
    """The keys of every file, by its folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    found: dict[str, list[Any]] = {}
    for file in files:
        found.setdefault(str(file.parent.relative_to(path.parent)), []).extend(
            pq.ParquetFile(file).read()["key"].to_pylist()
        )
    return found


@pytest.mark.parametrize("remote", REMOTE, ids=["here", "remote"])
def test_a_new_folder_is_made_with_its_parents(tmp_path: Path, remote: Any) -> None:
    place = Location(str(tmp_path / "a" / "b" / "kept"), remote)
    write_new(place, lambda: ROWS, False)
    assert [path.name for path in (tmp_path / "a" / "b" / "kept").iterdir()] == ["part-0.parquet"]
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        write_new(place, lambda: pytest.fail("not computed"), False)
    write_new(place, lambda: ROWS.slice(1), True)
    assert read(tmp_path / "a" / "b" / "kept") == {"kept": [2, 3]}


def test_a_file_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    path.mkdir()
    pq.write_table(ROWS, path / "old.parquet")
    write_new(Location(str(path)), lambda: ROWS.slice(2), True)
    assert read(path) == {".": [3]}
    write_new(Location(str(tmp_path / "new" / "x.pq")), lambda: ROWS, False)
    assert read(tmp_path / "new" / "x.pq") == {".": [1, 2, 3]}
    assert sorted(found.name for found in tmp_path.iterdir()) == ["kept.parquet", "new"]


@pytest.mark.parametrize("remote", REMOTE, ids=["here", "remote"])
def test_logged_rows_go_once_into_the_folder_of_their_values(tmp_path: Path, remote: Any) -> None:
    place = Location(str(tmp_path / "logs" / "log"), remote)
    table = ROWS.append_column("day", pa.array(["a/b", None, "1"])).append_column("hour", pa.array([1, 1, None]))
    log(place, table, ["day", "hour"])
    empty = "__HIVE_DEFAULT_PARTITION__"
    folders = {"log/day=a%2Fb/hour=1": [1], f"log/day={empty}/hour=1": [2], f"log/day=1/hour={empty}": [3]}
    assert read(tmp_path / "logs" / "log") == folders
    log(place, table.slice(0, 1), None)
    assert read(tmp_path / "logs" / "log") == {**folders, "log": [1]}
    log(place, table.slice(0, 0), ["day"])
    assert read(tmp_path / "logs" / "log") == {**folders, "log": [1]}


def test_appended_rows_are_cast_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(ROWS, path, row_group_size=2)
    append(Location(str(path)), pa.table({"more": ["x"], "key": pa.array([4], pa.int8())}))
    assert read(path) == {".": [1, 2, 3, 4]}
    message = r"x\.parquet: expected rows of the file's schema \['key'\]; found key: string \(.*\)\. Convert them"
    with pytest.raises(RetrievalInputError, match=rf"(?s){message}"):
        append(Location(str(path)), pa.table({"key": ["x"]}))
    with pytest.raises(RetrievalInputError, match="expected rows of the file's schema"):
        append(Location(str(path)), pa.table({"other": [1]}))
    with pytest.raises(
        UnsupportedError, match=r"\*\.parquet: expected a file or a folder to write to; found a pattern"
    ):
        append(Location(str(tmp_path / "*.parquet")), ROWS)
    assert read(path) == {".": [1, 2, 3, 4]}
