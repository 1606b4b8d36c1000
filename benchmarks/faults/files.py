"""Parquet files of users: columns that readers add or guess, key types, ties."""

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.faults.fault import Fault, expect

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_TIME = pa.timestamp("us", tz="UTC")
_LARGE = 2**53
_SPEC = Path(__file__).parents[2] / "configs" / "professional.yaml"


def _store(folder: Path, **settings: Any) -> Any:
    """A Feast store over ``v.parquet`` with our offline and online stores, as another project would set it up."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Int64

    config = RepoConfig(
        project="stranger",
        provider="local",
        registry=str(folder / "registry"),
        online_store={"type": "feature_repo.stores.online.PackedSqliteOnlineStore", "path": str(folder / "online")},
        offline_store={"type": "feature_repo.stores.offline.AsOfOfflineStore"},
        entity_key_serialization_version=3,
        repo_path=folder,
        **settings,
    )
    key = Entity(name="key", join_keys=["key"], value_type=ValueType.INT64)
    fields = [Field(name=name, dtype=Int64) for name in ("key", "clicked")]
    source = FileSource(name="v", path=str(folder / "v.parquet"), timestamp_field="at")
    view = FeatureView(name="v", entities=[key], schema=fields, source=source)

    @on_demand_feature_view(sources=[view], schema=[Field(name="next", dtype=Int64)])
    def after(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"next": inputs["clicked"] + 1})

    store = FeatureStore(config=config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.apply([key, view, after])
    return store


def _write(path: Path, keys: Any, clicked: Any, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"key": keys, "at": pa.array([_AT] * len(keys), _TIME), "clicked": clicked}
    pq.write_table(pa.table({**columns, **more}), path)


def _query(store: Any, keys: Any, *features: str) -> Any:
    frame = pd.DataFrame({"key": keys, "event_timestamp": [_AT + _DAY] * len(keys)})
    return store.get_historical_features(frame, list(features) or ["v:clicked"])


def _clicks(store: Any, keys: Any) -> list[Any]:
    return list(_query(store, keys).to_arrow()["clicked"].to_pylist())


def _refused(query: Callable[[], Any], what: str) -> None:
    """Fail unless the query raises our error: a result is a failure, and so is any other exception."""
    try:
        found = query()
    except ValueError as error:
        expect("expected" in str(error) and "found" in str(error), f"{what}: a refusal in words", error)
        return
    expect(False, f"{what}: a refusal", found)


def _own_columns(folder: Path) -> str:
    places = ["clicked=0", "key=7/at=2024-01-01", "a[1]b/x", "s*r?"]
    decoys = {"a[1]b/x": "a1b/x", "s*r?": "star1"}
    for number, place in enumerate([*places, "parts"]):
        base = folder / str(number)
        own = base / place / "v.parquet"
        file = own / "clicked=9" / "part.parquet" if place == "parts" else own
        names = {"filename": ["a", "b"], "t": [5, 5], "row": [5, 5], "created": [5, 5]}
        _write(file, [1, 2], [1, 1], **names)
        if place in decoys:
            _write(base / decoys[place] / "v.parquet", [1, 2], [9, 9])
        found = _clicks(_store(own.parent), [1, 2])
        expect(found == [1, 1], f"the file's own clicks [1, 1] below {place}", found)
    for number, name in enumerate(("file_row_number", "file_index", "CLICKED")):
        base = folder / f"named_{number}"
        _write(base / "v.parquet", [1, 2], [1, 1], **{name: [1, 0]})
        store = _store(base)
        _refused(lambda store=store: _clicks(store, [1, 2]), f"a column {name}")  # type: ignore[misc]
    _product_anywhere(folder)
    return f"{len(places) + 1} paths and 7 names change no value; counters, activities and graph are those of the files"


def _product_anywhere(folder: Path) -> None:
    """A product's tables, counters, last activities and graph rows below folders named ``key=value``."""
    from feature_repo.counters import count
    from feature_repo.sources.ingest import ingest
    from feature_repo.stream.recent import recent
    from models.graph.engines.duckdb import DuckDB
    from models.spec import load_spec

    spec = load_spec(_SPEC)
    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"options": {"size": "tiny", "seed": 7}})})
    spec = spec.model_copy(update={"counters": {name: spec.counters[name] for name in list(spec.counters)[:3]}})
    plain, other_place = folder / "product", folder / "clicked=0" / "surface=email" / "member_id=1"
    ingest(spec, None, plain)
    shutil.copytree(plain, other_place)
    found: list[tuple[Any, ...]] = []
    for tables in (plain, other_place):
        counted = folder / f"counted_{len(found)}"
        counted.mkdir()
        count(spec, tables, counted)
        with DuckDB(threads=1).connect(counted) as engine:
            engine.register("shown", tables / f"{spec.impressions.table}.parquet")
            rows = engine.fetch('SELECT * FROM "shown" ORDER BY file_row_number')
        found.append(({file.name: file.read_bytes() for file in counted.iterdir()}, rows, recent(spec, tables, 2**52)))
    for what, one, other in zip(("counters", "graph rows", "activities"), *found, strict=True):
        expect(one == other, f"the same {what} below clicked=0/surface=email", "others")


def _exact_keys(folder: Path) -> str:
    store = _store(folder)
    file = folder / "v.parquet"
    _write(file, [_LARGE, _LARGE + 1, 7], pa.array([1, 2, 3]))
    looked_up = pd.array([_LARGE + 1, _LARGE, None], dtype="Int64")
    expect(_clicks(store, looked_up) == [2, 1, None], "[2, 1, None]", _clicks(store, looked_up))
    expect(_clicks(store, [7.0, float("nan"), 7.5]) == [3, None, None], "[3, None, None]", "others")
    wrong: list[tuple[Any, Any]] = [
        ([_LARGE, _LARGE + 1], [float(_LARGE)]),
        ([2**24, 2**24 + 1], np.array([2**24], dtype="float32")),
        ([7], ["7"]),
        ([1], [True]),
        (["7"], [7]),
        ([float(_LARGE)], [_LARGE + 1]),
        (pa.array([2**63], pa.uint64()), [float(2**63)]),
    ]
    for keys, queried in wrong:
        _write(file, keys, [1] * len(keys))
        _refused(lambda queried=queried: _clicks(store, queried), f"{keys!r:.60} against {queried!r}")  # type: ignore[misc]
    _whole_numbers(store, file)
    file.unlink()
    pairs = [([_LARGE + 1], [3.0]), ([7], ["8"]), ([7], pa.array([2**63], pa.uint64())), ([7], [True])]
    for first, second in pairs:
        for part, keys in (("a", first), ("b", second)):
            _write(file / f"{part}.parquet", keys, [1])
        _refused(lambda: _clicks(store, [_LARGE]), f"parts with keys {first} and {second}")
    _online_keys(store)
    return f"{len(wrong)} pairs and {len(pairs)} tables of mixed types are refused; whole numbers stay whole"


def _whole_numbers(store: Any, file: Path) -> None:
    """A number next to a null in a frame, in an on-demand view and in a saved data set."""
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    for largest, kind in ((_LARGE + 1, pa.int64()), (2**64 - 1, pa.uint64()), (-(2**63) + 1, pa.int64())):
        _write(file, [1, 2], pa.array([largest, None], kind))
        seen = _query(store, [1, 2]).to_df()["clicked"].tolist()
        expect(seen[0] == largest and pd.isna(seen[1]), f"{largest} and a null in to_df", seen)
    _write(file, [1, 2], pa.array([_LARGE + 1, None]))
    job = _query(store, [1, 2], "v:clicked", "after:next")
    seen = job.to_df()["next"].tolist()
    expect(seen[0] == _LARGE + 2, f"{_LARGE + 2} of an on-demand view", seen)
    job.persist(SavedDatasetFileStorage(str(file.with_name("kept.parquet"))))
    seen = pd.read_parquet(file.with_name("kept.parquet"))["clicked"].tolist()
    expect(seen[0] == _LARGE + 1, f"{_LARGE + 1} in the saved data set", seen)


def _online_keys(store: Any) -> None:
    """A key of another type never reads another entity's row online."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    view, online = store.get_feature_view("v"), store.provider.online_store
    key = EntityKey(join_keys=["key"], entity_values=[Value(int64_val=1)])
    online.online_write_batch(store.config, view, [(key, {"clicked": Value(int64_val=5)}, _AT, None)], None)
    for value in (Value(double_val=1.7), Value(bool_val=True), Value(float_val=1.0), Value(string_val="1")):
        other = EntityKey(join_keys=["key"], entity_values=[value])
        _refused(lambda other=other: online.online_read(store.config, view, [other]), f"online key {value}")  # type: ignore[misc]


def _last_of_ties(folder: Path) -> str:
    """Feast's stock materialize with each value of pull_latest_features, and its default."""
    keys = [place % 97 for place in range(2_000)]
    last = {key: place for place, key in enumerate(keys)}
    cases: list[dict[str, Any]] = [
        {},
        *({"materialization": {"pull_latest_features": value}} for value in (True, False)),
    ]
    for number, settings in enumerate(cases):
        base = folder / str(number)
        _write(base / "v.parquet", keys, list(range(2_000)))
        store = _store(base, **settings)
        with contextlib.redirect_stdout(io.StringIO()):
            store.materialize(_AT - _DAY, _AT + _DAY)
        found = store.get_online_features(["v:clicked"], [{"key": key} for key in last]).to_dict()["clicked"]
        wrong = sum(one != other for one, other in zip(found, last.values(), strict=True))
        expect(wrong == 0, f"the last row of 97 keys with equal times ({settings or 'defaults'})", f"{wrong} others")
        offline = _clicks(store, list(last))
        expect(offline == [*last.values()], "the same offline", "others")
    return f"the last of equal times in {len(cases)} of {len(cases)} settings, online as offline"


FAULTS = (
    Fault(1, "a value comes from the file's own columns, never from its path", _own_columns),
    Fault(3, "keys of different types compare exactly or are refused, whole numbers stay whole", _exact_keys),
    Fault(12, "stock feast materialize writes the last of a key's equal times", _last_of_ties),
)
