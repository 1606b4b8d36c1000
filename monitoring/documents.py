"""JSON documents and frames, written atomically."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.files import replaced_file, write_text


def plain(value: Any) -> Any:
    """Convert to strict JSON values: numpy scalars as Python's, NaN and infinities as None, arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, document: dict[str, Any]) -> Path:
    """Write the document atomically as strict JSON (``plain``); return ``path``."""
    return write_text(path, json.dumps(plain(document), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object at ``path``."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_frame(path: Path, frame: pd.DataFrame) -> Path:
    """Write the frame atomically as Parquet, times in microseconds; return ``path``."""
    with replaced_file(path) as draft:
        frame.to_parquet(draft, index=False, coerce_timestamps="us")
    return path
