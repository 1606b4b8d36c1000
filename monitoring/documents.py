"""JSON documents and frames, written whole or not at all."""

import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """The value as strict JSON knows it: numpy scalars unwrapped, NaN and infinities as None, tuples as lists."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text(path: Path, text: str) -> Path:
    """Write the text: to a file beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
    return path


def write_json(path: Path, document: dict[str, Any]) -> Path:
    """Write the document as strict JSON: to a file beside, then renamed."""
    return write_text(path, json.dumps(plain(document), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The document at ``path``."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_frame(path: Path, frame: pd.DataFrame) -> Path:
    """Write the frame as Parquet: to a file beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path)
    frame.to_parquet(beside, index=False, coerce_timestamps="us")
    os.replace(beside, path)
    return path


def iso(microseconds: int) -> str:
    """A moment in microseconds UTC as ISO-8601."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")
