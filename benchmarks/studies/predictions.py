"""Prediction files: one per row and seed, named by the fit's digest, so that studies share fits.

A Parquet file with ``key``, then for every state (``as_of``, ``frozen``, ``as_of+3600s``: tokens an hour
old) and every task ``<state>:<task>``, a calibrated probability, float32. The file's metadata describes the fit.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.studies.errors import StudyError
from models.files import replaced_file

_NOTE = b"heliograph"


@dataclass(frozen=True)
class Predictions:
    """One fit's predictions for the impressions of one window."""

    keys: pa.Array
    tasks: tuple[str, ...]
    scores: Mapping[str, np.ndarray]
    """By state: (n, tasks) float64."""
    note: Mapping[str, Any]
    """Row, seed, recipe, digests of recipe and graph, commit, device, seconds."""


def find(folder: Path, digest: str) -> Path | None:
    """The file of that fit, whatever row it was first written for; None where there is none."""
    return next(iter(sorted(folder.glob(f"*-{digest}.parquet"))), None)


def write(folder: Path, row: str, digest: str, found: Predictions) -> Path:
    """Write a file atomically; a file of the same fit is replaced."""
    words = "_".join("".join(c if c.isalnum() else " " for c in row.lower()).split())
    path = find(folder, digest) or folder / f"{words}-{found.note['seed']}-{digest}.parquet"
    columns: dict[str, Any] = {"key": found.keys}
    for state, scores in found.scores.items():
        for place, task in enumerate(found.tasks):
            columns[f"{state}:{task}"] = pa.array(scores[:, place].astype(np.float32))
    table = pa.table(columns)
    note = {**found.note, "tasks": list(found.tasks), "states": list(found.scores)}
    table = table.replace_schema_metadata({_NOTE: json.dumps(note, sort_keys=True)})
    with replaced_file(path) as draft:
        parquet.write_table(table, draft, compression="zstd", use_dictionary=False)
    return path


def read(path: Path) -> Predictions:
    """Read a file. Raises StudyError where it is not a predictions file."""
    try:
        table = parquet.read_table(path)
        note = json.loads((table.schema.metadata or {})[_NOTE])
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        raise StudyError(f"{path}: expected a file of predictions; found {error!r}: remove it and fit again") from None
    tasks = tuple(note["tasks"])
    scores = {state: _columns(table, [f"{state}:{task}" for task in tasks]) for state in note["states"]}
    return Predictions(table["key"].combine_chunks(), tasks, scores, note)


def _columns(table: pa.Table, names: list[str]) -> np.ndarray:
    return np.stack([table[name].to_numpy() for name in names], axis=1).astype(np.float64)
