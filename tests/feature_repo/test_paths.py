"""Counters, last activities and the graph read the same rows wherever the tables lie."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.counters import count
from feature_repo.stream.recent import recent
from models.graph.build import build_graph
from models.graph.errors import GraphInputError
from models.parquet import ColumnNamesError
from tests.feature_repo import tiny
from tests.models.graph import product

END = 2**52


@pytest.mark.parametrize("place", ["click=0/surface=email", "member=1/post_id=a", "a [1]*?"])
def test_counters_and_activities_are_those_of_the_files(tmp_path: Path, place: str) -> None:
    spec = tiny.tiny_spec()
    found = []
    for name in ("plain", place):
        tables = tiny.tables(spec, tmp_path / name)
        (tmp_path / f"counted_{len(found)}").mkdir()
        count(spec, tables, tmp_path / f"counted_{len(found)}")
        found.append((sorted((tmp_path / f"counted_{len(found)}").iterdir()), recent(spec, tables, END)))
    (plain, activities), (other, same) = found
    assert [file.name for file in plain] == [file.name for file in other]
    assert all(pq.ParquetFile(a).read().equals(pq.ParquetFile(b).read()) for a, b in zip(plain, other, strict=True))
    assert activities.num_rows
    assert same.equals(activities)


@pytest.mark.parametrize("place", ["clicked=0/surface=email", "member_id=1/time=2024-01-01", "a [1]*?"])
def test_the_graph_is_that_of_the_files(tmp_path: Path, place: str) -> None:
    spec = product.spec()
    digests = []
    for name in ("plain", place):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        digests.append(build_graph(spec, *product.write_product(folder), tmp_path / f"graph_{len(digests)}")["digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["file_row_number", "Clicked"])
def test_columns_that_sql_cannot_tell_apart_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "graph").mkdir()
    tables, training_set = product.write_product(tmp_path / "graph")
    _add(tables / "impressions.parquet", name)
    with pytest.raises(GraphInputError, match=f"impressions.parquet: expected columns .*; found .*{name}"):
        build_graph(product.spec(), tables, training_set, tmp_path / "g")
    spec = tiny.tiny_spec()
    tables = tiny.tables(spec, tmp_path / "tables")
    _add(tables / "impressions.parquet", "Click" if name == "Clicked" else name)
    with pytest.raises(ColumnNamesError, match=r"impressions.parquet: expected columns"):
        count(spec, tables, tmp_path)
    _add(tables / "likes.parquet", "Time" if name == "Clicked" else name)
    with pytest.raises(ColumnNamesError, match=r"likes.parquet: expected columns"):
        recent(spec, tables, END)


def _add(file: Path, name: str) -> None:
    table = pq.ParquetFile(file).read()
    pq.write_table(table.append_column(name, pa.array([0] * table.num_rows)), file)
