"""What files say, and what their readers add: columns, keys and ties of other people's Parquet and CSV."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.faults.fault import Fault, expect

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_TIME = pa.timestamp("us", tz="UTC")
_LARGE = 2**53


def _store(folder: Path, **settings: Any) -> Any:
    """Feast's own store over ``v.parquet`` with our two stores below it, as another project would have it."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Int64

    config = RepoConfig(
        project="stranger",
        provider="local",
        registry=str(folder / "registry"),
        online_store={"type": "feature_repo.stores.online.PackedSqliteOnlineStore", "path": str(folder / "online")},
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
        **settings,
    )
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    view = FeatureView(
        name="v",
        entities=[key],
        schema=[Field(name="key", dtype=Int64), Field(name="clicked", dtype=Int64)],
        source=FileSource(name="v", path=str(folder / "v.parquet"), timestamp_field="at"),
    )
    store = FeatureStore(config=config)
    store.apply([key, view])
    return store


def _write(path: Path, keys: pa.Array, clicked: list[int | None], **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"key": keys, "at": pa.array([_AT] * len(keys), _TIME), "clicked": pa.array(clicked, pa.int64())}
    pq.write_table(pa.table({**columns, **more}), path)


def _answer(store: Any, keys: Any) -> Any:
    frame = pd.DataFrame({"key": keys, "event_timestamp": [_AT + timedelta(days=1)] * len(keys)})
    return store.get_historical_features(frame, ["v:clicked"])


def _refused(question: Any) -> str:
    """The first words of the refusal; an answer is none."""
    try:
        answer = question()
    except ValueError as error:
        return str(error)
    expect(False, "a refusal", answer)
    return ""


def _names_of_folders(folder: Path) -> str:
    """The offline store: paths, folders, columns called as DuckDB's own; counters and graph over such a folder."""
    for number, place in enumerate(["clicked=0", "a[1]b/day=2024-01-01", "x"]):
        base = folder / str(number) / place
        base.mkdir(parents=True)
        file = base / "v.parquet" / "clicked=9" / "part.parquet" if place == "x" else base / "v.parquet"
        _write(file, pa.array([1, 2]), [1, 1], filename=["a", "b"], t=[5, 5])
        found = _answer(_store(base), [1, 2]).to_arrow()["clicked"].to_pylist()
        expect(found == [1, 1], f"the file's clicks [1, 1] below {place}", found)
    _write(folder / "y" / "v.parquet", pa.array([1, 2]), [1, 1], file_row_number=[1, 0])
    store = _store(folder / "y")
    told = _refused(lambda: _answer(store, [1, 2]).to_arrow())
    expect("file_row_number" in told, "a refusal that names file_row_number", told)
    return "folders key=value, brackets and columns of reserved names change no value"


def _keys_of_types(folder: Path) -> str:
    _write(folder / "v.parquet", pa.array([_LARGE, _LARGE + 1]), [1, None], n=pa.array([1, 2]))
    store = _store(folder)
    exact = _answer(store, [_LARGE, _LARGE + 1]).to_arrow()["clicked"].to_pylist()
    expect(exact == [1, None], "[1, None]", exact)
    for keys in ([float(_LARGE)], ["1"], [True]):
        _refused(lambda keys=keys: _answer(store, keys).to_arrow()["clicked"].to_pylist())
    _write(folder / "v.parquet", pa.array([1, 2]), [_LARGE + 1, None])
    frame = _answer(store, [1, 2]).to_df()
    expect(frame["clicked"].iloc[0] == _LARGE + 1, f"{_LARGE + 1} beside a null", frame["clicked"].tolist())
    (folder / "v.parquet").unlink()
    _write(folder / "v.parquet" / "a.parquet", pa.array([_LARGE + 1]), [1])
    _write(folder / "v.parquet" / "b.parquet", pa.array([3.0]), [2])
    _refused(lambda: _answer(store, [_LARGE]).to_arrow()["clicked"].to_pylist())
    return "keys and whole numbers are exact or refused"


FAULTS = (
    Fault(1, "a value comes out of the file's own columns, never out of its path", _names_of_folders),
    Fault(3, "keys of different types are compared exactly or refused, whole numbers stay whole", _keys_of_types),
)
