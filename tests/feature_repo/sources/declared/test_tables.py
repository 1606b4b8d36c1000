"""Tables that a spec describes, from files to canonical rows."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.sources.errors import SourceError
from tests.feature_repo.sources.declared.shop import IMPRESSIONS, ingested, shop_folder, shop_spec, tables


def test_a_shop_of_csv_files(tmp_path: Path) -> None:
    shown = ingested(shop_spec(), shop_folder(tmp_path / "raw"), tmp_path, "impressions")
    assert shown["impression_id"].tolist() == ["1", "2", "3", "5"]  # 4 is a bot
    assert shown["time"][0] == pd.Timestamp("2026-01-01 09:00", tz="UTC")
    assert (shown["settled_time"] - shown["time"]).dt.total_seconds().tolist() == [1.5, 0, 0.9, 0.03]
    assert shown["clicked"].tolist() == [1, 0, 1, 0]
    assert shown["price"].tolist() == [4.5, 2, 2, 5.5]  # a price at the very time of the first row is not yet known
    assert shown["price_log"].tolist() == pytest.approx(np.log1p([4.5, 2, 2, 5.5]))
    members = ingested(shop_spec(), tmp_path / "raw", tmp_path, "members")
    assert members["job"].tolist() == ["cook", "007"]
    assert members["age"].isna().tolist() == [False, True]
    assert members["valid_from"][0] == pd.Timestamp("2025-11-30 16:00", tz="UTC")


def test_a_folder_of_parts_and_a_pattern_are_the_same_rows(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw")
    whole = ingested(shop_spec(), raw, tmp_path, "impressions")
    head, *lines = IMPRESSIONS.splitlines()
    (raw / "days").mkdir()
    (raw / "days" / "a.csv").write_text("\n".join([head, *lines[:2]]) + "\n")
    (raw / "days" / "b.csv.gz").write_bytes(gzip.compress("\n".join([head, *lines[2:]]).encode()))
    (raw / "days" / "_SUCCESS").touch()
    for files in ("days", "days/*.csv*", ["days/a.csv", "days/b.csv.gz"]):
        spec = shop_spec(tables(impressions={"files": files}))
        pd.testing.assert_frame_equal(ingested(spec, raw, tmp_path, "impressions"), whole)


def test_parquet_is_read_as_it_is(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw")
    whole = ingested(shop_spec(), raw, tmp_path, "impressions")
    pd.read_csv(raw / "impressions.csv", dtype={"id": str}).to_parquet(raw / "impressions.parquet")
    spec = shop_spec(tables(impressions={"files": "impressions.parquet", "types": None}))
    pd.testing.assert_frame_equal(ingested(spec, raw, tmp_path, "impressions"), whole)


def test_rows_are_read_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    raw, kept = shop_folder(tmp_path / "raw"), tmp_path / "kept"
    first = ingested(shop_spec(), raw, tmp_path, "impressions", kept)
    assert "3 read, 0 unchanged" in caplog.text
    again = ingested(shop_spec(), raw, tmp_path, "impressions", kept)
    assert "0 read, 3 unchanged" in caplog.text
    pd.testing.assert_frame_equal(first, again)
    ingested(shop_spec(tables(impressions={"where": "bot <> 0 OR true"})), raw, tmp_path, "impressions", kept)
    assert "1 read, 2 unchanged" in caplog.text


def test_keys_beyond_floats_survive_beside_missing_ones(tmp_path: Path) -> None:
    big = 2**62 + 1
    text = f"a,b,at\n{big},{2**63 - 1},2026-01-01T00:00:00Z\n{big + 2}.0,,2026-01-01T00:00:00+08\n"
    follows = {
        "files": "follows.csv",
        "columns": {
            "member_id": "a",
            "followed_id": "b",
            "time": "at",
            "kind": "CASE WHEN b IS NULL THEN 'x' ELSE 'y' END",
        },
    }
    spec = shop_spec(tables(follows=follows))
    edge = spec.edges["clicked"].model_copy(
        update={
            "table": "follows",
            "target": spec.edges["clicked"].target.model_copy(update={"node": "member", "column": "followed_id"}),
            "time": "time",
            "filter": {"kind": ["y"]},
        }
    )
    spec = spec.model_copy(update={"edges": {**spec.edges, "follows": edge}})
    ingested(spec, shop_folder(tmp_path / "raw", follows=text), tmp_path, "follows")
    found = pq.read_table(tmp_path / "tables" / "follows.parquet")  # a frame would make floats of them
    assert sorted(zip(*(found[name].to_pylist() for name in ("member_id", "followed_id")), strict=True)) == [
        (big, 2**63 - 1),
        (big + 2, None),
    ]


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("1.5", "expected a whole number of 64 bits; found 2 rows such as '1.5', the first is row 1"),
        (str(2**63), "expected a whole number of 64 bits"),
        ("x1", "column member_id: expected a whole number"),
        ("0x10", "expected a whole number of 64 bits"),
    ],
)
def test_a_key_that_is_none(tmp_path: Path, user: str, words: str) -> None:
    raw = shop_folder(tmp_path / "raw", impressions=IMPRESSIONS.replace(",1,b,", f",{user},b,"))
    with pytest.raises(SourceError, match=words):
        ingested(shop_spec(), raw, tmp_path, "impressions")
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (IMPRESSIONS.replace(",", ";"), 'separated otherwise: give `delimiter: ";"`'),
        (IMPRESSIONS.replace(",", "\t"), r'give `delimiter: "\\t"`'),
        (
            IMPRESSIONS.replace("user", "User"),
            "case-sensitive; a text that is the same in every row stands in",
        ),
    ],
)
def test_a_column_that_is_missing_says_why(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        ingested(shop_spec(), shop_folder(tmp_path / "raw", impressions=text), tmp_path, "impressions")


def test_which_row_of_a_key_is_kept(tmp_path: Path) -> None:
    text = IMPRESSIONS + "1,1767258000000,1,b,feed,none,10,0\n"
    once = {"key": ["impression_id"], "last": "settled_time"}
    raw = shop_folder(tmp_path / "raw", impressions=text)
    shown = ingested(shop_spec(tables(impressions={"once": once})), raw, tmp_path, "impressions")
    assert shown["clicked"].tolist() == [1, 0, 1, 0]
    with pytest.raises(SourceError, match="expected one row per key"):
        ingested(shop_spec(), raw, tmp_path, "impressions")


def test_lists_become_rows(tmp_path: Path) -> None:
    tags = {
        "files": "tags.csv",
        "columns": {"item_id": "product", "tag": "string_split(tags, ';')", "valid_from": "at"},
    }
    tags |= {"explode": "tag"}
    raw = shop_folder(tmp_path / "raw", tags="product,tags,at\na,x;y,2026-01-01\nb,,2026-01-01\n")
    found = ingested(shop_spec(tables(tags=tags)), raw, tmp_path, "tags")
    assert found[["item_id", "tag"]].to_numpy().tolist() == [["a", "x"], ["a", "y"]]
    shop_folder(raw, tags="product,tags,at\n")
    assert ingested(shop_spec(tables(tags=tags)), raw, tmp_path, "tags").empty


def test_a_text_without_a_tag_makes_no_row(tmp_path: Path) -> None:
    tags = {"columns": {"item_id": "product", "tag": "string_split(tags, ';')", "valid_from": "at"}, "explode": "tag"}
    tags |= {"files": "tags.csv", "nulls": ["NULL"]}
    raw = shop_folder(tmp_path / "raw", tags="product,tags,at\na,x;;y,2026-01-01\nb,,2026-01-01\n")
    found = ingested(shop_spec(tables(tags=tags)), raw, tmp_path, "tags")
    assert found[["item_id", "tag"]].to_numpy().tolist() == [["a", "x"], ["a", "y"]]


def test_rows_that_are_left_out_need_not_fit(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw", impressions=IMPRESSIONS + "id,ts,user,product,where,event,stay,bot\n")
    shown = ingested(shop_spec(), raw, tmp_path, "impressions")  # bot is no number there
    assert len(shown) == 4
    raw = shop_folder(tmp_path / "raw", impressions=IMPRESSIONS + "9,soon,1,b,feed,none,0,0\n")
    with pytest.raises(SourceError, match=r"column ts \(source.tables.impressions.types\): expected a whole.*'soon'"):
        ingested(shop_spec(), raw, tmp_path, "impressions")


def test_texts_are_not_compared_as_numbers(tmp_path: Path) -> None:
    changes = {"prices": {"types": None}, "impressions": {"derived": {"price_log": "price > 3"}}}
    with pytest.raises(SourceError, match=r"derived.price_log: expected price to have a type, or a cast"):
        ingested(shop_spec(tables(**changes)), shop_folder(tmp_path / "raw"), tmp_path, "impressions")
    changes["impressions"]["derived"]["price_log"] = "CAST(price AS DOUBLE) > 3"
    shown = ingested(shop_spec(tables(**changes)), tmp_path / "raw", tmp_path, "impressions")
    assert shown["price_log"].tolist() == [1, 0, 0, 1]


def test_parquet_lists_with_a_type(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw")
    pd.DataFrame({"product": ["a"], "at": [1767250000000], "price": [[1.0, 2.0]]}).to_parquet(raw / "prices.parquet")
    changed = {"files": "prices.parquet", "types": {"price": "DOUBLE[]"}}
    spec = shop_spec(tables(prices=changed, impressions={"derived": {"price_log": "price[1]"}}))
    assert ingested(spec, raw, tmp_path, "impressions")["price_log"].dropna().tolist() == [1, 1]
    with pytest.raises(SourceError, match="expected a value of DATE"):
        ingested(shop_spec(tables(prices={**changed, "types": {"at": "DATE"}})), raw, tmp_path, "impressions")


def test_an_empty_table(tmp_path: Path) -> None:
    raw = shop_folder(tmp_path / "raw", prices="product,at,price\n")
    shown = ingested(shop_spec(), raw, tmp_path, "impressions")
    assert shown["price"].isna().all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"files": "nowhere.csv"}, "expected Parquet or CSV files at nowhere.csv in .*There are impressions.csv"),
        ({"files": "notes.txt"}, "notes.txt: expected a name that ends in .parquet, .csv, .*; found .txt$"),
        ({"columns": {"impression_id": "ID"}}, "expected the column ID .*found id, ts, user"),
        ({"types": None}, r"expected the types of bot, stay, ts.*types: \{bot: BIGINT, stay: BIGINT, ts: BIGINT\}"),
        ({"times": {"settled_time": {"unit": "ms"}}}, "column time: expected `unit` under times"),
        ({"where": "bot + 'x' > 0"}, r"table impressions, column \(where\): expected an expression that DuckDB can"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, changes: dict, words: str) -> None:
    if "columns" in changes:
        changes = {"columns": {**tables()["impressions"]["columns"], **changes["columns"]}}
    (shop_folder(tmp_path / "raw") / "notes.txt").touch()
    with pytest.raises(SourceError, match=words):
        ingested(shop_spec(tables(impressions=changes)), tmp_path / "raw", tmp_path, "impressions")


def test_it_needs_a_data_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"files: expected a data folder \(--data, DATA=folder\); found none"):
        ingested(shop_spec(), None, tmp_path, "impressions")
