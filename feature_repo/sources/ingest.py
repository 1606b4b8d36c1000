"""Ingestion: read raw data with the spec's adapter, validate it, add counter tables, write all tables atomically."""

import logging
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from feature_repo.collaborative import SnapshotError, snapshots
from feature_repo.counters import count
from feature_repo.forgotten import Forgotten, raw_columns, without_forgotten
from feature_repo.negatives import NegativesError, seeds
from feature_repo.sources.adapters import adapter, check, columns_of, own_tables
from feature_repo.sources.errors import Problems, SourceError
from feature_repo.sources.files import keeping
from feature_repo.sources.labels import check_classes, inside
from feature_repo.sources.quarantine import REASON, quarantined_rows
from feature_repo.sources.reading import read
from feature_repo.sources.remote import raw_folder
from feature_repo.sources.schemas import VECTOR, arrow_types, order_columns, time_columns
from feature_repo.sources.size import DECIDED, as_json, decisions
from feature_repo.sources.tables import describe, write_manifest, write_quarantine, write_table
from feature_repo.sources.validate import Validated, check_leaks, validate
from feature_repo.sources.windows import WINDOWS, described
from models.columns import SAMPLED, SEEDS
from models.features import VALID_FROM
from models.files import replaced_folder
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER

log = logging.getLogger(__name__)


def ingest(
    spec: Spec,
    data: Path | str | None,
    folder: Path,
    kept: str | None = None,
    forgotten: Forgotten | None = None,
    trained: bool = False,
) -> dict[str, Any]:
    """Write the canonical tables of the spec's source to ``folder`` and return their manifest.

    ``data`` is the folder of the raw data, or its address in object storage (None for simulated worlds). ``kept``: the
    address of a folder in which the rows of raw files are kept from one ingest to the next, so that a file is read once
    (``sources.files``), and fitted collaborative snapshots; the tables are the same with and without it, but for the
    codes of semantic IDs, whose quantizers are kept there too.
    ``forgotten``: members whose rows are left out of the tables and of the kept rows, though raw files may still have
    them. ``trained``: a training follows, so a window in which a task has one class is refused (``sources.labels``).

    The spec is checked against the adapter's tables before any data is read. An existing folder is replaced once the
    new one is complete. Rows with an impossible time are written to ``quarantine/<table>.parquet`` instead, and counted
    in the manifest. The manifest has the dates of the windows, and what the data's size decides of the keys that the
    spec leaves open; ``sources.windows.spec_of`` puts both into the spec. Raises SpecError or SourceError; then nothing
    was written.
    """
    rolling = spec.windows.rolling
    tables, dropped, spec, _ = valid_tables(spec, data, kept, forgotten)
    quarantined = {name: quarantined_rows(frame) for name, frame in tables.items()}
    tables = {name: conform(spec, name, frame) for name, frame in tables.items()}
    sampled = add_seeds(spec, tables)
    if trained:
        check_labels(spec, tables, rolling)
    ours = add_semantic_ids(spec, tables, kept)
    manifest: dict[str, Any] = {
        "format": 1,
        "spec": spec.name,
        "adapter": spec.source.adapter,
        "options": dict(spec.source.options),
        WINDOWS: described(spec),
        DECIDED: as_json(decisions(spec, tables)),
        "tables": {},
        **sampled,
        **ours,
    }
    with replaced_folder(folder) as fresh:
        for name, frame in tables.items():
            manifest["tables"][name] = _write(spec, fresh, name, frame, dropped.get(name, {}))
            manifest["tables"][name] |= _write_quarantine(fresh, name, quarantined.get(name))
        for name in count(spec, fresh, fresh):
            part = describe(fresh, name, pq.read_schema(path := fresh / f"{name}.parquet"))
            span = _span(pq.read_table(path, columns=[VALID_FROM]).to_pandas(), [VALID_FROM])
            manifest["tables"][name] = part | {"duplicates": 0, "dropped": {}} | span
        spans = list(manifest["tables"].values())
        manifest["first"] = min((part["first"] for part in spans if part["first"]), default=None)
        manifest["last"] = max((part["last"] for part in spans if part["last"]), default=None)
        for name in _snapshots(spec, fresh, manifest["last"], kept):
            part = describe(fresh, name, pq.read_schema(fresh / f"{name}.parquet"))
            # When a snapshot becomes visible says nothing about how far the data reaches.
            manifest["tables"][name] = part | {"duplicates": 0, "dropped": {}, "first": None, "last": None}
        write_manifest(fresh, manifest)
    return manifest


def valid_tables(
    spec: Spec,
    data: Path | str | None,
    kept: str | None = None,
    forgotten: Forgotten | None = None,
    problems: Problems | None = None,
) -> Validated:
    """What ``ingest`` writes tables of, with the same arguments: the valid rows that the adapter read.

    Raises SpecError or SourceError; ``problems`` may keep the errors instead, and tables with one are then left out.
    """
    check(spec)
    source, columns, problems = adapter(spec.source.adapter), columns_of(spec), problems or Problems()
    with problems.trying():
        check_leaks(spec, columns)
    log.info("reading %s%s", spec.source.adapter, f" from {data}" if data else "")
    members = forgotten or Forgotten()
    reuse = keeping(kept, partial(raw_columns, spec), members)
    with raw_folder(str(data)) if data else nullcontext() as raw, reuse:
        found = without_forgotten(spec, read(spec, source.read, raw), members)
        return validate(spec, found, columns, problems)


def check_labels(spec: Spec, tables: dict[str, pd.DataFrame], rolling: bool) -> None:
    """Warn of windows in which a task has one class. ``rolling``: the data has decided on the dates.

    Raises SourceError for those without which nothing can be trained or judged.
    """
    shown = tables[spec.impressions.seeds]
    if any(len(inside(spec, shown, window)) for window in WINDOW_ORDER):
        for sentence in check_classes(spec, shown, rolling):
            log.warning("%s", sentence)


def conform(spec: Spec, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The table in canonical types and order: times in microseconds UTC, numbers float32, sorted by (time, key)."""
    frame = frame.copy(deep=False)
    frame.attrs = {}
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.DatetimeTZDtype):
            frame[column] = frame[column].dt.tz_convert("UTC").dt.as_unit("us")
    for column, kind in arrow_types(spec, name).items():
        if str(kind) in ("float", "int8"):
            frame[column] = frame[column].astype("float32" if str(kind) == "float" else "int8")
        elif kind == VECTOR:
            frame[column] = frame[column].map(lambda vector: np.asarray(vector, np.float32), na_action="ignore")
    order = order_columns(spec, name)
    return frame.sort_values(order, kind="stable", ignore_index=True) if order else frame


def add_seeds(spec: Spec, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Add the table of seeds, where negatives are sampled; return what the manifest says of it. Raises SourceError."""
    if spec.impressions.sample_negatives is None:
        return {}
    try:
        found = seeds(spec, tables)
    except NegativesError as error:
        raise SourceError(str(error)) from None
    tables[SEEDS] = found.frame
    return {SAMPLED: found.facts}


def add_semantic_ids(spec: Spec, tables: dict[str, pd.DataFrame], kept: str | None) -> dict[str, Any]:
    """Add the tables of codes; return what the manifest says of them. Raises SourceError."""
    if not spec.semantic_ids:
        return {}
    from feature_repo.semantic import semantic_tables  # needs torch
    from models.semantic.errors import SemanticError

    try:
        frames, facts = semantic_tables(spec, tables, kept)
    except SemanticError as error:
        raise SourceError(str(error)) from None
    tables |= {name: conform(spec, name, frame) for name, frame in frames.items()}
    return {"semantic_ids": facts}


def _snapshots(spec: Spec, folder: Path, last: str | None, kept: str | None) -> list[str]:
    """Write the tables of collaborative blocks; return their names. Raises SourceError."""
    end = 0 if last is None else int(pd.Timestamp(last).as_unit("us").asm8.astype("int64"))
    try:
        return snapshots(spec, folder, folder, end, kept)
    except SnapshotError as error:
        raise SourceError(str(error)) from None


def _write(spec: Spec, folder: Path, name: str, frame: pd.DataFrame, dropped: dict[str, int]) -> dict[str, Any]:
    """Write a table; return its entry in the manifest. When codes become visible is no end of the data."""
    written = write_table(folder, name, frame, arrow_types(spec, name))
    times = [] if name in own_tables(spec) else time_columns(spec).get(name, [])
    log.info("table %s: %d rows", name, len(frame))
    return written | {"duplicates": dropped.get("duplicates", 0), "dropped": dropped} | _span(frame, times)


def _write_quarantine(folder: Path, name: str, rows: pd.DataFrame | None) -> dict[str, Any]:
    """Write a table's quarantined rows; return their entry in the manifest."""
    if rows is None or rows.empty:
        return {}
    file = write_quarantine(folder, name, rows)
    log.warning("table %s: %d rows quarantined in %s, the first: %s", name, len(rows), file, rows[REASON].iloc[0])
    return {"quarantined": {"rows": len(rows), "file": file}}


def _span(frame: pd.DataFrame, columns: list[str]) -> dict[str, str | None]:
    """First and last time of a table, as ISO-8601."""
    if frame.empty or not columns:
        return {"first": None, "last": None}
    first = min(frame[column].min() for column in columns)
    last = max(frame[column].max() for column in columns)
    return {"first": pd.Timestamp(first).isoformat(), "last": pd.Timestamp(last).isoformat()}
