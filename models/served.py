"""Reading the served log that the endpoint writes: JSON lines, one slate each (``serving.served``)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

_ONCE = (
    *("served", "request", "time", "as_of", "member", "member_cold", "surface", "model", "model_version", "fallback"),
)
"""Fields that a slate has once; each becomes a column."""
_RANKED = {"items": "item", "cold": "item_cold", "capped": "capped", "scores": "score"}
"""Fields with a value for each candidate, and the columns that they become."""
_LATEST = 253_402_300_799_000_000  # the end of the year 9999, as far as dates go
_NEEDED = {"served", *_RANKED, "probabilities", "features"}
COLUMNS = ("slate", *_ONCE, "position", *_RANKED.values())
"""Columns that every frame has; ``probability_<task>`` and the decoder's features follow."""


def model_name(spec: Spec) -> str:
    """The registered model's name: also in the endpoint's addresses, and in each line of the served log."""
    return f"heliograph-{spec.name.replace('_', '-')}"


def read(folder: Path, since: int | None = None, model: str | None = None) -> "pd.DataFrame":
    """All served candidates in ``folder``, one row each, in order of serving.

    ``slate`` numbers the ranked slates; ``position`` is the rank, from 0; ``as_of`` is when the features were judged;
    times are int64 microseconds UTC; features that were missing are null. ``since`` (microseconds UTC) leaves out what
    was served earlier, ``model`` what another registered model served. A torn line (of a server that was killed) is
    left out. No folder, or an empty one, gives an empty frame with ``COLUMNS``.
    """
    import pandas as pd

    # A file is named after the day (UTC) on which its slates were served.
    first = "" if since is None else datetime.fromtimestamp(min(since, _LATEST) / 1_000_000, tz=UTC).date().isoformat()
    files = [path for path in sorted(folder.glob("*.jsonl")) if path.name[:10] >= first]
    slates = [slate for path in files for slate in _slates(path)]
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


def _slates(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for line in stream:
            try:
                slate = json.loads(line)
            except ValueError:
                continue
            if isinstance(slate, dict) and slate.keys() >= _NEEDED:
                yield slate


def _columns(number: int, slate: dict[str, Any]) -> dict[str, list[Any]]:
    rows = len(slate["items"])
    once = {"slate": number, **{name: slate.get(name) for name in _ONCE}}
    features = slate["features"].items()
    return {
        **{name: [value] * rows for name, value in once.items()},
        "position": list(range(rows)),
        **{column: slate[name] for name, column in _RANKED.items()},
        **{f"probability_{task}": values for task, values in slate["probabilities"].items()},
        **{name: values if isinstance(values, list) else [values] * rows for name, values in features},
    }
