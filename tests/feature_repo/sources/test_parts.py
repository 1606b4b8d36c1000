"""A folder with one folder per table and one file per day."""

from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.parts import read_parts

TABLES = {"likes": ("member", "post")}


def write(folder: Path, day: str, **columns: list[object]) -> None:
    (folder / "likes").mkdir(exist_ok=True)
    pd.DataFrame(columns).to_parquet(folder / "likes" / f"{day}.parquet")


def test_parts_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-02", post=["b"], member=[2])
    write(tmp_path, "2026-01-01", member=[1], post=["a"])
    write(tmp_path, "2026-01-03", member=pd.Series([], dtype="int64"), post=pd.Series([], dtype=object))
    found = read_parts(tmp_path, TABLES)["likes"]
    assert found.to_dict("list") == {"member": [1, 2], "post": ["a", "b"]}


def test_keys_beyond_2_to_the_53_stay_what_they_are_beside_nulls(tmp_path: Path) -> None:
    keys = [2**53 + 1, None, 2**63 - 1, -(2**63)]
    write(tmp_path, "2026-01-01", member=pd.array(keys, "Int64"), post=list("abcd"))
    found = read_parts(tmp_path, TABLES)["likes"]["member"]
    assert [None if pd.isna(key) else int(key) for key in found] == keys


def test_a_column_has_one_type(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", member=[None], post=["a"])
    write(tmp_path, "2026-01-02", member=[1], post=["a"])
    write(tmp_path, "2026-01-03", member=["1"], post=["a"])
    with pytest.raises(
        SourceError, match=r"2026-01-03.parquet, column member: expected int64 as in .*2026-01-02.parquet; found"
    ):
        read_parts(tmp_path, TABLES)


@pytest.mark.parametrize(
    ("day", "columns", "words"),
    [
        ("2026-01-01", {"member": [1]}, "expected the columns member, post; found member"),
        ("2026-01-01", {"member": [1], "post": ["a"], "more": [1]}, "found member, post, more"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, day: str, columns: dict, words: str) -> None:
    write(tmp_path, day, **columns)
    with pytest.raises(SourceError, match=words):
        read_parts(tmp_path, TABLES)


def test_a_folder_among_the_files_is_refused_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", member=[1], post=["a"])
    for name in ("._2026-01-01.parquet", "_SUCCESS"):
        (tmp_path / "likes" / name).write_bytes(b"no")
    assert len(read_parts(tmp_path, TABLES)["likes"]) == 1
    for name in ("day=2026-01-02", "2.parquet"):
        (tmp_path / "likes" / name).mkdir()
        with pytest.raises(SourceError, match=f"{name}: expected Parquet files directly in .*likes"):
            read_parts(tmp_path, TABLES)
        (tmp_path / "likes" / name).rmdir()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: expected a folder with one folder per table"):
        read_parts(tmp_path / "nowhere", TABLES)
    with pytest.raises(SourceError, match="likes: expected Parquet files with member, post; found none"):
        read_parts(tmp_path, TABLES)
    (tmp_path / "likes").mkdir()
    (tmp_path / "likes" / "a.parquet").write_bytes(b"no")
    with pytest.raises(SourceError, match=r"a.parquet: expected a Parquet file"):
        read_parts(tmp_path, TABLES)
