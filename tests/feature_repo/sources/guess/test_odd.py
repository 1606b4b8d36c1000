"""Logs that are odd: what `init` writes for them passes ingest as well."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.guess import guess
from feature_repo.sources.ingest import ingest
from models.spec import load_spec

ROWS = 200


def log() -> pd.DataFrame:
    """Impressions of twenty members and nine products over ten days."""
    draws = np.random.default_rng(2)
    hours = pd.to_timedelta(np.arange(ROWS) * 1.2, unit="h")
    rows = pd.DataFrame({"user_id": draws.integers(0, 20, ROWS), "product_id": draws.integers(0, 9, ROWS)})
    return rows.assign(shown_at=pd.Timestamp("2026-03-01", tz="UTC") + hours, clicked=np.arange(ROWS) % 3 // 2)


def ingested(raw: Path, tmp_path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """The manifest of the guessed spec, and its impressions."""
    file = tmp_path / "shop.yaml"
    guess(raw, file)
    manifest = ingest(load_spec(file), raw, tmp_path / "tables")
    return manifest, pd.read_parquet(tmp_path / "tables" / "impressions.parquet")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def test_keys_may_have_spaces(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows["user_id"] = [f"user {key}/\u00fc \U0001f600" for key in rows["user_id"]]
    rows.to_csv(raw / "log.csv", index=False)
    _, found = ingested(raw, tmp_path)
    assert set(found["user_id"]) == set(rows["user_id"])


def test_the_index_that_pandas_writes_is_left_out(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows.to_csv(raw / "log.csv")
    manifest, found = ingested(raw, tmp_path)
    assert manifest["tables"]["impressions"]["rows"] == ROWS
    assert set(found["user_id"]) == set(rows["user_id"])


def test_keys_beyond_64_bits_are_texts(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows["product_id"] = rows["product_id"].astype("uint64") + np.uint64(2**63)
    rows.to_parquet(raw / "log.parquet")
    _, found = ingested(raw, tmp_path)
    assert set(found["product_id"]) == {str(2**63 + key) for key in range(9)}


def test_keys_that_pandas_stores_as_floats(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows["user_id"] = rows["user_id"].astype(float).where(rows.index != 4)
    rows.to_parquet(raw / "log.parquet")
    _, found = ingested(raw, tmp_path)
    assert len(found) == ROWS - 1
    assert found["user_id"].dtype == "int64"


def test_a_number_that_is_named_like_a_key(raw: Path, tmp_path: Path) -> None:
    log().assign(size_key=np.arange(ROWS) / 2).to_csv(raw / "log.csv", index=False)
    assert len(ingested(raw, tmp_path)[1]) == ROWS


def test_numbers_of_16_bits(raw: Path, tmp_path: Path) -> None:
    log().to_parquet(raw / "log.parquet")
    users = pa.table(
        {
            "user_id": range(20),
            "half": pa.array(np.arange(20, dtype=np.float16) / 2),
            "taste": pa.array([np.array([0.5, key], np.float16) for key in range(20)]),
        }
    )
    pq.write_table(users, raw / "users.parquet")
    ingested(raw, tmp_path)
    found = pd.read_parquet(tmp_path / "tables" / "members.parquet").sort_values("user_id")
    assert found["half"].tolist() == [key / 2 for key in range(20)]
    assert [list(vector) for vector in found["taste"]] == [[0.5, key] for key in range(20)]


def test_a_bad_time_is_named_as_in_the_file(raw: Path, tmp_path: Path) -> None:
    rows = pd.concat([log()] * 60, ignore_index=True).astype({"shown_at": str})  # beyond the rows that are looked at
    rows.loc[11_000, "shown_at"] = "soon"
    rows.to_csv(raw / "log.csv", index=False)
    with pytest.raises(SourceError, match=r"column shown_at: expected a time .* found 1 row such as 'soon'"):
        guess(raw, tmp_path / "shop.yaml")


def test_a_key_is_no_candidate_for_the_outcome(raw: Path, tmp_path: Path) -> None:
    log().assign(event_id=range(ROWS), clicked=1, stars=np.arange(ROWS) % 5).to_parquet(raw / "log.parquet")
    (question,) = (line for line in guess(raw, tmp_path / "shop.yaml") if line.startswith("TO DO"))
    assert "stars" in question
    assert "event_id" not in question


def test_labels_in_words(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows.assign(clicked=rows["clicked"].map({0: "No", 1: "yes"})).to_csv(raw / "log.csv", index=False)
    _, found = ingested(raw, tmp_path)
    assert found["clicked"].sum() == rows["clicked"].sum()


def test_a_time_ahead_of_the_clock_moves_no_window(raw: Path, tmp_path: Path) -> None:
    rows = log()
    rows.loc[7, "shown_at"] = pd.Timestamp("2090-01-01", tz="UTC")
    rows.to_csv(raw / "log.csv", index=False)
    manifest, found = ingested(raw, tmp_path)
    assert len(found) == ROWS - 1
    assert manifest["tables"]["impressions"]["last"].startswith("2026-03-1")


def test_a_folder_a_day_is_one_table(raw: Path, tmp_path: Path) -> None:
    rows = log()
    for day, part in rows.groupby(rows["shown_at"].dt.date):
        folder = raw / "log" / f"day={day}"
        folder.mkdir(parents=True)
        part.to_parquet(folder / "part-0.parquet")
        (folder / "_SUCCESS").touch()
    (raw / "log" / "_temporary").mkdir()
    (raw / "log" / "_temporary" / "0.parquet").write_bytes(b"no")
    _, found = ingested(raw, tmp_path)
    assert len(found) == ROWS


def test_one_row_is_no_log(raw: Path, tmp_path: Path) -> None:
    log().iloc[:1].to_csv(raw / "log.csv", index=False)
    with pytest.raises(SourceError, match=r"with a time and the keys, which repeat, of member and item; found log.csv"):
        guess(raw, tmp_path / "shop.yaml")
    assert not (tmp_path / "shop.yaml").exists()
