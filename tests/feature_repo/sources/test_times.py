"""Features of type ``time`` and context of candidates at ingest: their columns, exact or refused."""

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.spec import Spec
from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, TABLES, install_adapter, instants, small_tables

COLUMNS = {
    **TABLES,
    "members": (*TABLES["members"], "joined"),
    "impressions": (*TABLES["impressions"], "price", "campaign"),
}


def timed_spec() -> Spec:
    document = copy.deepcopy(DOCUMENT)
    document["nodes"]["member"]["views"]["profile"]["features"]["joined"] = "time"
    document["impressions"]["candidate_context"] = {"price": "number", "campaign": "category"}
    return specs.spec_of({**document, "time_features": {"tenure": {"since": "joined"}}})


def ingested(patch: pytest.MonkeyPatch, folder: Path, joined: Any, **given: Any) -> dict[str, pa.Table]:
    tables = small_tables()
    tables["members"]["joined"] = joined
    given = {"price": [1.5, None, 0.1, 2.0], "campaign": ["a", None, "b", "a"], **given}
    tables["impressions"] = tables["impressions"].assign(**given)
    install_adapter(patch, lambda spec, data: tables, COLUMNS)
    ingest(timed_spec(), None, folder / "tables")
    return {name: pq.read_table(folder / "tables" / f"{name}.parquet") for name in ("members", "impressions")}


def test_they_are_stored_exactly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined = instants(["1950-06-01 12:00:00.000001", "2150-01-01 00:00:00.000000"])
    found = ingested(monkeypatch, tmp_path, joined)
    assert found["members"].schema.field("joined").type == pa.timestamp("us", tz="UTC")
    assert found["members"]["joined"].to_pylist() == list(joined)
    assert found["impressions"].schema.field("price").type == pa.float32()
    assert found["impressions"].schema.field("campaign").type == pa.string()


def test_unknown_times_are_nulls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined = instants(["2020-01-01", "2020-01-01"]).where([False, False])
    assert ingested(monkeypatch, tmp_path, joined)["members"]["joined"].null_count == 2


@pytest.mark.parametrize(
    ("joined", "message"),
    [
        (["2020-01-01", "2021-01-01"], r"column joined: expected times with a zone"),
        ([1_600_000_000, 1_600_000_001], r"column joined: expected times with a zone"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), r"column joined: expected times with a zone"),
        (pd.to_datetime([1_600_000_000, 1_600_000_001], unit="us", utc=True), r"joined: .*\(check the unit\)"),
        (pd.to_datetime(["2250-01-01", "2021-01-01"], utc=True), r"joined: expected a time not before 1678.* 2200"),
    ],
)
def test_other_times_are_refused(joined: Any, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        ingested(monkeypatch, tmp_path, joined)
    assert list(tmp_path.iterdir()) == []


def test_context_of_candidates_is_checked_as_context_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    joined = instants(["2020-01-01", "2020-01-01"])
    with pytest.raises(SourceError, match=r"column price: expected context known at request time"):
        ingested(monkeypatch, tmp_path, joined, price=[5.0, 7.0, 0.0, 9.0])  # the outcome `seconds`
    with pytest.raises(SourceError, match=r"column price: expected finite numbers"):
        ingested(monkeypatch, tmp_path, joined, price=[1.0, float("inf"), 0.0, 9.0])
    with pytest.raises(SourceError, match=r"column campaign: expected strings"):
        ingested(monkeypatch, tmp_path, joined, campaign=[1, 2, 3, 4])
