"""The night before a day: tables -> Feast -> training set -> graph, by the functions that the pipeline runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.studies.online.world import FIRST, START, candidates, impressions
from feature_repo.applied import CONFIG
from feature_repo.apply import apply
from feature_repo.retrieve import features_of, retrieve
from feature_repo.sources.ingest import ingest
from feature_repo.sources.world.live import LiveWorld
from feature_repo.store import open_store, project_of
from models.columns import WINDOW
from models.features import FROZEN_TIME
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.spec import Spec

TRAINED = {"train": 14, "validate": 3, "gate": 1, "test": 1}
"""Days of the windows before a training; the gate's day, which judges nothing here, validates too."""
_SHORT = {"train": 1, "validate": 1, "gate": 1, "test": 1}
SCORED = "test"
"""The window of the day's candidates."""


@dataclass
class Night:
    """What is known before a day."""

    graph: TemporalGraph
    """Its test window has the day's candidates as seeds."""
    training_set: pd.DataFrame
    """The features of the rows of all windows, for trees."""
    candidates: pd.DataFrame
    """One row per candidate, as ``world.candidates`` gives it, with ``key``."""


def dated(spec: Spec, day: int, trains: bool) -> Spec:
    """The spec with the windows of a day: the day itself is the test window, everything older the graph window."""
    lengths = TRAINED if trains else _SHORT
    graph = FIRST + day + 1 - sum(lengths.values())
    windows = {"start": START.isoformat(), "graph": {"days": graph}}
    windows |= {name: {"days": days} for name, days in lengths.items()}
    document = spec.model_dump(mode="json", by_alias=True)
    return Spec.model_validate(document | {"windows": windows})


def prepare(spec: Spec, live: LiveWorld, raw: Path, folder: Path, day: int) -> Night:
    """Make the graph of a day from the raw tables, in ``folder``. ``spec``: that of ``dated``."""
    tables, training_set, graph = (folder / name for name in ("tables", "training_set", "graph"))
    state = folder / "state"
    ingest(spec, raw, tables, str(folder / "kept"))
    store = open_store(CONFIG, state, project_of(spec.name))
    apply(store, spec, tables, str(tables.resolve()), str(state / "pushed"))
    retrieve(store, spec, tables, training_set)
    rows = candidates(live, day)
    keys = _add(store, spec, training_set, live, rows)
    build_graph(spec, tables, training_set, graph)
    frame = parquet.read_table(training_set / "impressions.parquet").to_pandas()
    return Night(TemporalGraph.load(graph), frame, rows.assign(key=keys))


def _add(store: Any, spec: Spec, training_set: Path, live: LiveWorld, rows: pd.DataFrame) -> np.ndarray:
    """Add the day's candidates to a training set, with their features; return their keys: (rows,).

    They are not in the tables: what nobody was shown moves no counter and makes no edge.
    """
    path = training_set / "impressions.parquet"
    known = parquet.read_table(path)
    first = int(known[spec.impressions.key].to_numpy().max(initial=-1)) + 10**9
    new = impressions(live, spec.midnight(START), first, rows)
    asked = pa.Table.from_pandas(new, preserve_index=False)
    names = [name for name in known.column_names if name in asked.column_names]
    asked = asked.select(names).cast(pa.schema([known.schema.field(name) for name in names]))
    asked = asked.append_column(WINDOW, pa.array([SCORED] * len(new)))
    found = features_of(store, spec, asked).select(known.column_names).cast(known.schema)
    parquet.write_table(pa.concat_tables([known, found]), path, compression="zstd")
    path = training_set / "frozen.parquet"
    frozen = parquet.read_table(path)
    held = found.append_column(FROZEN_TIME, found[spec.impressions.time].cast(frozen.schema.field(FROZEN_TIME).type))
    parquet.write_table(pa.concat_tables([frozen, held.select(frozen.column_names)]), path, compression="zstd")
    return new["impression_id"].to_numpy()
