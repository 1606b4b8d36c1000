"""Reading the served log that the endpoint writes: JSON lines, one ranked slate each (``serving.served``)."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

_SLATE_COLUMNS = ("served", "time", "member", "member_cold", "surface", "model_version")
COLUMNS = (*_SLATE_COLUMNS, "slate", "position", "item", "item_cold")
"""Columns that every frame has; ``probability_<task>`` and the decoder's features follow."""


def read(folder: Path, since: int | None = None) -> pd.DataFrame:
    """All served candidates in ``folder``, one row each, in order of serving.

    ``slate`` numbers the requests; ``position`` is the rank, from 0; times are int64 microseconds UTC; features that
    were missing are null. ``since`` (microseconds UTC) leaves out what was served earlier. A torn line (of a server
    that was killed) is left out. No folder, or an empty one, gives an empty frame with ``COLUMNS``.
    """
    slates = [slate for path in sorted(folder.glob("*.jsonl")) for slate in _slates(path)]
    slates = sorted((s for s in slates if since is None or s["served"] >= since), key=lambda slate: slate["served"])
    blocks = [_columns(number, slate) for number, slate in enumerate(slates)]
    names = dict.fromkeys((*COLUMNS, *(name for block in blocks for name in block)))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for block in blocks:
        rows = len(block["item"])
        for name, column in columns.items():
            column.extend(block.get(name) or [None] * rows)
    return pd.DataFrame(columns)


def _slates(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in path.read_bytes().splitlines():
        try:
            slate = json.loads(line)
        except ValueError:
            continue
        if isinstance(slate, dict) and "features" in slate:
            found.append(slate)
    return found


def _columns(number: int, slate: dict[str, Any]) -> dict[str, list[Any]]:
    rows = len(slate["items"])
    once = {name: slate[name] for name in _SLATE_COLUMNS}
    return {
        **{name: [value] * rows for name, value in once.items()},
        "slate": [number] * rows,
        "position": list(range(rows)),
        "item": slate["items"],
        "item_cold": slate["cold"],
        **{f"probability_{task}": values for task, values in slate["probabilities"].items()},
        **slate["features"],
    }
