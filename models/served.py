"""Reading the served log that the endpoint writes: JSON lines, one ranked slate each (``serving.served``)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

_SLATE_COLUMNS = ("served", "time", "member", "member_cold", "surface", "model", "model_version")
_LATEST = 253_402_300_799_000_000  # the end of the year 9999, as far as dates go
_NEEDED = {"served", "items", "cold", "probabilities", "features"}
COLUMNS = (*_SLATE_COLUMNS, "slate", "position", "item", "item_cold")
"""Columns that every frame has; ``probability_<task>`` and the decoder's features follow."""


def model_name(spec: Spec) -> str:
    """The registered model's name: also in the endpoint's addresses, and in each line of the served log."""
    return f"heliograph-{spec.name.replace('_', '-')}"


def read(folder: Path, since: int | None = None, model: str | None = None) -> "pd.DataFrame":
    """All served candidates in ``folder``, one row each, in order of serving.

    ``slate`` numbers the requests; ``position`` is the rank, from 0; times are int64 microseconds UTC; features that
    were missing are null. ``since`` (microseconds UTC) leaves out what was served earlier, ``model`` what another
    registered model served (or one of a release that did not log its name). A torn line (of a server that was killed)
    is left out. No folder, or an empty one, gives an empty frame with ``COLUMNS``.
    """
    import pandas as pd

    # A file is named after the day (UTC) on which its slates were served.
    first = "" if since is None else datetime.fromtimestamp(min(since, _LATEST) / 1_000_000, tz=UTC).date().isoformat()
    slates = [slate for path in sorted(folder.glob("*.jsonl")) if path.name[:10] >= first for slate in _slates(path)]
    slates = [slate for slate in slates if since is None or slate["served"] >= since]
    slates = [slate for slate in slates if model is None or slate.get("model") == model]
    slates.sort(key=lambda slate: slate["served"])
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
        if isinstance(slate, dict) and slate.keys() >= _NEEDED:
            found.append(slate)
    return found


def _columns(number: int, slate: dict[str, Any]) -> dict[str, list[Any]]:
    rows = len(slate["items"])
    once = {name: slate.get(name) for name in _SLATE_COLUMNS}
    return {
        **{name: [value] * rows for name, value in once.items()},
        "slate": [number] * rows,
        "position": list(range(rows)),
        "item": slate["items"],
        "item_cold": slate["cold"],
        **{f"probability_{task}": values for task, values in slate["probabilities"].items()},
        **slate["features"],
    }
