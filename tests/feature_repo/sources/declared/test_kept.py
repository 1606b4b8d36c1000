"""Kept rows of declared tables: canonical ones, without forgotten members, from folders and object storage alike."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.forgotten import Forgotten, digest
from feature_repo.sources import read_table
from feature_repo.sources.files import MEMBERS
from feature_repo.sources.ingest import ingest
from models.spec import parse_spec
from models.storage import write_bytes
from tests.feature_repo.sources.declared.shop import IMPRESSIONS, TABLES, ingested, shop_folder, shop_spec, tables
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]


def test_kept_rows_know_the_members_under_their_raw_names(tmp_path: Path) -> None:
    raw, kept, salt = shop_folder(tmp_path / "raw"), tmp_path / "kept", b"salt"
    first = ingest(shop_spec(), raw, tmp_path / "tables", str(kept))
    named = {
        tuple(json.loads(pq.read_schema(path).metadata[MEMBERS]))
        for path in kept.glob("*.parquet")
        if MEMBERS in (pq.read_schema(path).metadata or {})
    }
    assert named == {("member_id",), ()}  # prices name nobody
    again = ingest(shop_spec(), raw, tmp_path / "again", str(kept))
    assert again["tables"] == first["tables"]  # the rows that `where` left out are counted alike

    gone = Forgotten("member_id", salt, frozenset([digest(2, salt)]))
    ingest(shop_spec(), raw, tmp_path / "tables", str(kept), gone)
    assert read_table(tmp_path / "tables", "impressions")["member_id"].unique().tolist() == [1]
    for path in kept.glob("*.parquet"):
        table = pq.read_table(path)
        assert "member_id" not in table.column_names or 2 not in table["member_id"].to_pylist()


def test_rows_of_a_forgotten_member_are_joined_to_nobody(tmp_path: Path) -> None:
    raw, salt = shop_folder(tmp_path / "raw"), b"salt"
    join = {"table": "impressions", "column": "time", "key": "item_id", "time": "time"}
    spec = shop_spec(tables(impressions={"asof": {**TABLES["impressions"]["asof"], "last": join}}))
    gone = Forgotten("member_id", salt, frozenset([digest(1, salt)]))
    ingest(spec, raw, tmp_path / "all")
    assert read_table(tmp_path / "all", "impressions")["last"].notna().sum() == 2
    for kept in (None, str(tmp_path / "kept")):
        ingest(spec, raw, tmp_path / "left", kept, gone)
        assert read_table(tmp_path / "left", "impressions")["last"].isna().all()


@pytest.mark.parametrize("column", ["member_id", "reader"])
def test_tables_that_only_joins_read_keep_no_forgotten_member(tmp_path: Path, column: str) -> None:
    raw, salt, kept = shop_folder(tmp_path / "raw"), b"salt", tmp_path / "kept"
    (raw / "stars.csv").write_text("user,product,at,stars\n1,b,1767250000000,5\n2,a,1767250000000,4\n")
    stars = {"files": "stars.csv", "times": {"at": {"unit": "ms"}}, "types": {"stars": "DOUBLE"}}
    stars["columns"] = {column: "user", "item_id": "product", "at": "at", "stars": "stars"}
    join = {"table": "stars", "column": "stars", "time": "at"}
    asof = {**TABLES["impressions"]["asof"], "of_item": {**join, "key": "item_id"}}
    columns = {**TABLES["impressions"]["columns"]}
    if column == "reader":  # known as the key of a join
        columns["reader"] = "user"
        asof["own"] = {**join, "key": ["reader", "item_id"]}
    declared = tables(stars=stars, impressions={"columns": columns, "asof": asof})
    spec = shop_spec(declared)
    if column == "reader":
        edge = spec.edges["clicked"]
        edge = edge.model_copy(update={"source": edge.source.model_copy(update={"column": "reader"})})
        spec = spec.model_copy(update={"edges": {**spec.edges, "again": edge}})
    ingest(spec, raw, tmp_path / "tables", str(kept), Forgotten("member_id", salt, frozenset([digest(2, salt)])))
    assert read_table(tmp_path / "tables", "impressions")["of_item"].fillna(0).tolist() == [5, 0, 5]
    for path in kept.glob("*.parquet"):
        table = pq.read_table(path)
        for name in {"member_id", "reader"} & {*table.column_names}:
            assert 2 not in table[name].to_pylist()


def test_object_storage_is_like_a_folder(bucket: str, tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw")
    here = ingested(shop_spec(), raw, tmp_path, "impressions")
    for path in raw.glob("*.csv"):
        write_bytes(f"{bucket}/shop/{path.name}", path.read_bytes())
    for kept in (None, f"{bucket}/kept", f"{bucket}/kept"):
        ingest(shop_spec(), f"{bucket}/shop", tmp_path / "there", kept)
        pd.testing.assert_frame_equal(read_table(tmp_path / "there", "impressions"), here)


def test_the_spec_survives_as_json() -> None:
    spec = shop_spec()
    assert parse_spec(spec.model_dump_json(by_alias=True)) == spec


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a CSV file; found Empty CSV file"),
        (b"id,ts\n1\n", "expected a CSV file; found .*Expected 2 columns, got 1"),
        (b"id,id\n1,2\n", "expected each column once; found 'id' twice"),
        (b"id,ID\n1,2\n", "names differ in more than case"),
        (IMPRESSIONS.replace("click", "caf\xe9").encode("latin-1"), "expected a CSV file; found .*UTF8"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, words: str) -> None:
    raw = shop_folder(tmp_path / "raw")
    (raw / "impressions.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        ingested(shop_spec(), raw, tmp_path, "impressions")


def test_a_mark_of_byte_order_and_other_ends_of_lines(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw")
    whole = ingested(shop_spec(), raw, tmp_path, "impressions")
    (raw / "impressions.csv").write_bytes(b"\xef\xbb\xbf" + IMPRESSIONS.replace("\n", "\r\n").encode())
    pd.testing.assert_frame_equal(ingested(shop_spec(), raw, tmp_path, "impressions"), whole)
