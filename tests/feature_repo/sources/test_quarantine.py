"""Rows with impossible times are quarantined; the tables equal those without them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.sources import end_of_data, read_manifest, read_table
from feature_repo.sources.errors import SourceError, TableError
from feature_repo.sources.ingest import ingest
from models.clock import VARIABLE
from models.spec import load_spec
from tests.feature_repo.sources.fakes import install_adapter, instants, kuairand_folder, small_spec, small_tables
from tests.feature_repo.sources.test_kuairand import SPEC

YEARS_60 = 2_000_000_000_000
"""Milliseconds."""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    """The tables that the adapter ``fake`` returns; tests change them."""
    tables = small_tables()
    install_adapter(monkeypatch, lambda spec, data: tables)
    return tables


def _with(table: str, **change: object) -> Callable[[dict[str, pd.DataFrame]], None]:
    """One row more in a table."""

    def change_tables(tables: dict[str, pd.DataFrame]) -> None:
        more = tables[table].iloc[:1].assign(**change)
        tables[table] = pd.concat([tables[table], more], ignore_index=True)

    return change_tables


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("impressions", {"impression_id": 9, "settled_time": instants(["2085-01-01"])}),
        ("impressions", {"impression_id": 9, **dict.fromkeys(("time", "settled_time"), instants(["2085-01-01"]))}),
        ("impressions", {"impression_id": 9, "settled_time": instants(["2250-01-01"])}),
        ("impressions", {"impression_id": 9, "time": instants(["1970-01-21"])}),
        ("members", {"member_id": 3, "valid_from": instants(["2085-01-01"])}),
        ("follows", {"time": instants(["2085-01-01"])}),
    ],
)  # fmt: skip
def test_one_row_changes_no_other(
    fake: dict[str, pd.DataFrame], tmp_path: Path, table: str, change: dict[str, object]
) -> None:
    without = ingest(small_spec(), None, tmp_path / "without")
    _with(table, **change)(fake)
    found = ingest(small_spec(), None, tmp_path / "with")
    assert end_of_data(tmp_path / "with") == end_of_data(tmp_path / "without")
    assert {name: part["sha256"] for name, part in found["tables"].items()} == {
        name: part["sha256"] for name, part in without["tables"].items()
    }
    part = found["tables"][table]
    assert part["dropped"] == {"impossible times: quarantined": 1}
    assert part["quarantined"] == {"rows": 1, "file": f"quarantine/{table}.parquet"}
    (row,) = pq.read_table(tmp_path / "with" / f"quarantine/{table}.parquet").to_pylist()
    assert row["reason"].endswith(("is ahead of the clock", "is before 2000-01-01"))


def test_a_table_that_is_wholly_ahead_is_an_error(
    fake: dict[str, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake["follows"]["time"] = instants(["2085-01-01"] * 3)
    with pytest.raises(
        SourceError, match=r"follows, column time: expected a time up to .* found all 3 rows .* 2084-12"
    ):
        ingest(small_spec(), None, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()
    monkeypatch.setenv(VARIABLE, "30000d")
    ingest(small_spec(), None, tmp_path / "tables")
    assert len(read_table(tmp_path / "tables", "follows")) == 3


def test_the_tolerance_is_the_border(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    now = pd.Timestamp(time.time_ns(), tz="UTC").as_unit("us")
    for minutes, kept in ((9, 3), (11, 2)):
        fake["members"] = small_tables()["members"]
        _with("members", member_id=3, valid_from=now + pd.Timedelta(minutes=minutes))(fake)
        ingest(small_spec(), None, tmp_path / "tables")
        assert len(read_table(tmp_path / "tables", "members")) == kept


def test_tables_that_end_ahead_of_the_clock_have_no_end(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """Those of an earlier release: what is stamped with their end would never be seen."""
    manifest = ingest(small_spec(), None, tmp_path / "tables")
    manifest["last"] = "2300-01-01T00:00:00+00:00"
    (tmp_path / "tables" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(TableError, match=r"expected the end of the data as a time up to .*; found 2300"):
        end_of_data(tmp_path / "tables")


@pytest.mark.parametrize(
    "change",
    [
        {"play_time_ms": YEARS_60},
        {"play_time_ms": 2**63 - 1},
        {"comment_stay_time": YEARS_60, "profile_stay_time": 2**62},
        {"time_ms": 2**62},
        {"time_ms": 1_650_900_000},  # seconds
        {"time_ms": 1_650_900_000_000_000},  # microseconds
        {"time_ms": -(2**63) + 1},
    ],
)
@pytest.mark.parametrize("history", [True, False])
def test_one_row_of_the_real_layout_changes_no_other(tmp_path: Path, change: dict[str, int], history: bool) -> None:
    spec = load_spec(SPEC)
    raw = kuairand_folder(tmp_path / "raw", history=history)
    without = ingest(spec, raw, tmp_path / "without")
    file = raw / "data" / "log_standard_later_pure.csv"
    log = pd.read_csv(file)
    pd.concat([log, log.iloc[:1].assign(**change)]).to_csv(file, index=False)
    found = ingest(spec, raw, tmp_path / "with")
    assert end_of_data(tmp_path / "with") == end_of_data(tmp_path / "without")
    for name, part in without["tables"].items():
        assert found["tables"][name]["sha256"] == part["sha256"]
    assert read_manifest(tmp_path / "with")["tables"]["impressions"]["quarantined"]["rows"] == 1


def test_a_negative_duration_is_named(tmp_path: Path) -> None:
    raw = kuairand_folder(tmp_path / "raw")
    file = raw / "data" / "log_standard_later_pure.csv"
    pd.read_csv(file).assign(play_time_ms=np.array([1000, 1000, -5000])).to_csv(file, index=False)
    with pytest.raises(SourceError, match="expected settled_time not before time; found 1 rows where that is not so"):
        ingest(load_spec(SPEC), raw, tmp_path / "tables")
