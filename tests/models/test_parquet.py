"""Files are read in one way: nothing that an engine adds to a file, or guesses about it, becomes a value."""

import ast
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.parquet import ColumnNamesError, check_column_names, parquet_source

ROOT = Path(__file__).parents[2]
HELPERS = {"models/parquet.py", "feature_repo/stores/offline/parquet.py"}
GUESSING = ("read_parquet(", "parquet_scan(", "read_csv(", "read_csv_auto(", "read_json(")
TREES = ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")


def test_sql_reads_files_through_the_helpers_alone() -> None:
    found = []
    for file in (file for tree in TREES for file in (ROOT / tree).rglob("*.py")):
        if str(file.relative_to(ROOT)) in HELPERS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            found += [f"{file.relative_to(ROOT)}: {word}" for word in GUESSING if word in text.lower()]
            named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "duckdb"
            if named and f"{node.attr}(" in GUESSING:
                found.append(f"{file.relative_to(ROOT)}: duckdb.{node.attr}")
    assert found == []


@pytest.mark.parametrize("folder", ["clicked=0/date=2024-01-01", "a[1]b", "st*r?", "it's", "back\\slash", "{a,b}"])
def test_a_path_says_nothing_of_the_rows(tmp_path: Path, folder: str) -> None:
    for decoy in ("a1b", "star1"):  # what the brackets and stars would stand for
        (tmp_path / decoy).mkdir()
        pq.write_table(pa.table({"clicked": [9]}), tmp_path / decoy / "x.parquet")
    path = tmp_path / folder / "x.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"clicked": [1, 2], "filename": ["a", "b"], "file_index": [7, 8]}), path)
    rows = duckdb.sql(f"SELECT * FROM {parquet_source(path)}")
    assert rows.columns == ["clicked", "filename", "file_index"]
    assert rows.fetchall() == [(1, "a", 7), (2, "b", 8)]
    numbered = duckdb.sql(f"SELECT clicked, file_row_number FROM {parquet_source(path, row_number=True)}")
    assert numbered.fetchall() == [(1, 0), (2, 1)]


@pytest.mark.parametrize("names", [["ID", "id"], ["x", "x"], ["File_Row_Number"]])
def test_names_that_sql_cannot_tell_apart_are_refused(names: list[str]) -> None:
    with pytest.raises(ColumnNamesError, match=r"rows\.parquet: expected columns .*; found .*\. Rename"):
        check_column_names("rows.parquet", names)
    check_column_names("rows.parquet", ["id", "identity"])
