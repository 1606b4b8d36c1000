"""The as-of store returns what Feast's own duckdb store returns, in the order of the query, and ties are decided."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.stores.errors import RetrievalInputError
from tests.feature_repo.stores.offline.project import HALF_DAY, OURS, SHORT, entity_rows, project, write

_KEY = st.sampled_from([0, 1, 2, None])
_NAME = st.sampled_from(["a", "b", "ünder", None])
_AT = st.integers(-6, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shapes")


@pytest.fixture(scope="module")
def ours(folder: Path) -> FeatureStore:
    _write_files(folder, [(0, "a", 0)])
    return project(folder, OURS, threads=2, memory_limit="500MB")


@pytest.fixture(scope="module")
def feasts(folder: Path, ours: FeatureStore) -> FeatureStore:
    return project(folder, "duckdb")


def _write_files(folder: Path, rows: list[tuple[Any, Any, int]]) -> None:
    """Every file from the same (key, name, time) in half days; only files with a created time keep the ties.

    ``made`` never repeats and is mostly at the event time or later.
    """
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    made = [None if at is None else at + int(place) - 2 for (_, _, at), place in zip(rows, order, strict=True)]
    numbers = range(len(rows))
    tied = {"at": [at for *_, at in rows], "made": made}
    write(
        folder, "pairs.parquet", {"key": [r[0] for r in rows], "name": [r[1] for r in rows], **tied, "count": numbers}
    )
    write(folder, "everyone.parquet", {**tied, "level": [0.5 * number for number in numbers]})
    for file, place in (("plain", 0), ("named", 1)):
        single = {(row[place], row[2]): number for number, row in enumerate(rows)}
        columns: dict[str, Any] = {"at": [at for _, at in single]}
        if file == "plain":
            columns |= {
                "key": [key for key, _ in single],
                "label": [None if n % 3 == 0 else str(n) for n in single.values()],
            }
            columns |= {"raw": [None if n % 5 == 0 else float(n) for n in single.values()]}
            write(folder, "plain.parquet", columns)
        else:
            columns |= {"name": [name for name, _ in single], "vector": [[float(n)] * (n % 3) for n in single.values()]}
            write(folder, "named.parquet", columns, at=pa.timestamp("us"))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(_KEY, _NAME, _AT | st.none()), max_size=40, unique=True),
    queried=st.lists(st.tuples(_KEY, _NAME, _KEY, _AT), max_size=20),
    whole=st.booleans(),
    known_by_then=st.booleans(),
)
def test_it_returns_what_feasts_own_store_returns(
    folder: Path, ours: FeatureStore, feasts: FeatureStore, rows: Any, queried: Any, whole: bool, known_by_then: bool
) -> None:
    """Two keys, no key, mapped keys and names, null keys and times, TTLs, on-demand features, created times."""
    _write_files(folder, [row for row in rows if row[0] != 2 or row[2] != 3] + [(2, "a", 3), (2, "b", 3)])
    query = entity_rows([*queried, (2, "b", 2, 3), (2, "b", 0, 9)])  # a row of its own time, and at the TTL's end
    features = ours.get_feature_service("all") if whole else SHORT
    results = [
        store.get_historical_features(
            query, features, full_feature_names=whole, filter_by_created_timestamp=known_by_then
        ).to_arrow()
        for store in (ours, feasts)
    ]
    assert results[0].equals(results[1].sort_by("row"))


def _retrieve(store: FeatureStore, rows: pd.DataFrame, *features: str) -> pa.Table:
    return store.get_historical_features(rows, list(features)).to_arrow()


def test_ties_go_to_the_last_created_then_the_last_row_of_the_last_file(folder: Path, ours: FeatureStore) -> None:
    at = {"at": [4] * 5, "made": [5, 7, None, 7, 6]}
    write(folder, "pairs.parquet", {"key": [1] * 5, "name": ["a"] * 5, **at, "count": range(5)})
    write(folder, "plain.parquet", {"key": [1] * 3, "at": [4] * 3, "raw": [1.0, 2.0, 3.0], "label": ["x"] * 3})
    query = entity_rows([(1, "a", 1, 5)] * 70)
    results = [_retrieve(ours, query, "pairs:count", "plain:value") for _ in range(3)]
    assert set(results[0]["count"].to_pylist()) == {3}
    assert set(results[0]["value"].to_pylist()) == {3.0}
    assert all(result.equals(results[0]) for result in results)
    (folder / "plain.parquet").unlink()
    for file, value in (("b", 5.0), ("a", 4.0), ("c", 6.0)):
        write(folder / "plain.parquet", f"{file}.parquet", {"key": [1], "at": [4], "raw": [value], "label": [None]})
    assert set(_retrieve(ours, query, "plain:value")["value"].to_pylist()) == {6.0}
    for part in (folder / "plain.parquet").iterdir():
        part.unlink()
    with pytest.raises(RetrievalInputError, match=r"plain\.parquet: expected Parquet files; found none"):
        _retrieve(ours, query, "plain:value")
    (folder / "plain.parquet").rmdir()


def test_only_what_was_known_by_then(folder: Path, ours: FeatureStore) -> None:
    columns = {"at": [0, 2, 2, 1], "made": [1, 9, 3, 5], "level": [0.1, 0.2, 0.3, 0.4]}
    write(folder, "everyone.parquet", columns)
    query = entity_rows([(1, "a", 1, moment) for moment in (0, 1, 2, 3, 5, 6, 7)])
    result = ours.get_historical_features(query, ["everyone:level"], filter_by_created_timestamp=True).to_arrow()
    assert result["level"].to_pylist() == [None, 0.1, 0.1, 0.3, 0.3, 0.3, None]


@pytest.mark.parametrize("kind", ["s", "ms", "us", "ns"])
def test_times_of_every_unit_and_zone(folder: Path, ours: FeatureStore, kind: str) -> None:
    columns = {"key": [1, 1], "at": [2, 4], "raw": [1.0, 2.0], "label": ["x", "y"]}
    for zone in ("UTC", None):
        write(folder, "plain.parquet", columns, at=pa.timestamp(kind, tz=zone))
        before, then = 4 * HALF_DAY // 1000 * 1000 * 1000 - 1, 4 * HALF_DAY * 1000  # nanoseconds
        late = then + 6 * HALF_DAY * 1000
        moments = pd.to_datetime(pd.Series([before, then, late, late + 1]), unit="ns", utc=True)
        query = pd.DataFrame({"key": [1] * 4, "event_timestamp": moments})
        assert _retrieve(ours, query, "plain:value")["value"].to_pylist() == [1.0, 2.0, 2.0, None]
        for shown in (moments.dt.tz_convert("Asia/Tokyo"), moments.dt.tz_localize(None), moments.astype(object)):
            result = _retrieve(ours, query.assign(event_timestamp=shown), "plain:value")
            assert result["value"].to_pylist() == [1.0, 2.0, 2.0, None]
            assert result["event_timestamp"].type == pa.timestamp("us", tz="UTC")
        coarse = query.iloc[[1]].assign(event_timestamp=moments.iloc[[1]].dt.as_unit("ms"))
        assert _retrieve(ours, coarse, "plain:value")["value"].to_pylist() == [2.0]
        far = pd.DataFrame({"key": [1], "event_timestamp": np.array(["2500-01-01"], "datetime64[us]")})
        assert _retrieve(ours, far, "plain:value")["value"].to_pylist() == [None]


def test_materialising_writes_the_last_row_of_every_key(folder: Path, ours: FeatureStore) -> None:
    for unit in ("us", "ns"):
        columns = {"key": [1, 2, 1, 2], "at": [2, 9, 2, 4], "raw": [1.0, 9.0, 2.0, 4.0], "label": ["x", "y", "z", None]}
        write(folder, "plain.parquet", columns, at=pa.timestamp(unit, tz="UTC"))
        write(folder, "everyone.parquet", {"at": [1, 1, 0], "made": [4, 3, 9], "level": [0.1, 0.2, 0.3]})
        days = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in (0, 2)]
        ours.materialize(*days, feature_views=["plain", "everyone"])
        found = ours.get_online_features(
            ["plain:value", "plain:label", "everyone:level"], [{"key": 1}, {"key": 2}]
        ).to_dict()
        assert [found[name] for name in ("value", "label", "level")] == [[2.0, 4.0], ["z", None], [0.1, 0.1]]


def test_a_snapshot_without_entity_rows(folder: Path, ours: FeatureStore) -> None:
    write(folder, "plain.parquet", {"key": [2, 1, 1], "at": [4, 2, 4], "raw": [1.0, 2.0, 3.0], "label": ["x"] * 3})
    write(folder, "everyone.parquet", {"at": [4], "made": [4], "level": [0.5]})
    end = datetime(1970, 1, 3, tzinfo=UTC)
    features = ["plain:value", "everyone:level"]
    result = ours.get_historical_features(None, features, start_date=end - timedelta(days=1), end_date=end).to_df()
    assert result.to_dict("list") == {
        "key": [1, 2],
        "event_timestamp": [pd.Timestamp(end)] * 2,
        "value": [3.0, 1.0],
        "level": [0.5, 0.5],
    }


def test_empty_queries_and_files(folder: Path, ours: FeatureStore) -> None:
    _write_files(folder, [])
    result = _retrieve(ours, entity_rows([(1, "a", None, 3)]), *SHORT)
    assert [result[feature.split(":")[1]].to_pylist() for feature in SHORT] == [[None]] * len(SHORT)
    assert _retrieve(ours, entity_rows([]), *SHORT).num_rows == 0
