"""Reading the served log that the endpoint writes: JSON lines, one impression each (``serving.server.served_log``)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from models.columns import COLUMN_OF, FEATURES, PROBABILITIES, PROBABILITY, CandidateFields, SlateFields
from models.spec import Spec

if TYPE_CHECKING:
    import pandas as pd

_SAME = tuple(name for name in SlateFields._fields if name != "slate")
"""Fields that are columns as they are, the same for a whole slate."""
_RANKED = {name: COLUMN_OF.get(name, name) for name in CandidateFields._fields}
"""Fields of the candidate, and the columns that they become."""
_LATER = {"adjustments"}
"""Fields that the lines of an older release do not have: null."""
_LATEST = 253_402_300_799_000_000  # the end of the year 9999, as far as dates go
_NEEDED = {"served", "request", "slate", *_RANKED.keys() - _LATER, PROBABILITIES, FEATURES}
COLUMNS = ("slate", *_SAME, *_RANKED.values())
"""Columns that every frame has; ``probability_<task>`` and the decoder's features follow."""


def model_name(spec: Spec) -> str:
    """The registered model's name: also in the endpoint's addresses, and in each line of the served log."""
    return f"heliograph-{spec.name.replace('_', '-')}"


def read(folder: Path, since: int | None = None, model: str | None = None) -> "pd.DataFrame":
    """All served candidates in ``folder``, one row each, in order of serving.

    ``slate`` numbers the ranked slates; ``position`` is the rank, from 0; ``as_of`` is when the features were judged;
    ``score`` is what was ranked by, ``adjustments`` the rules behind it (a list as in the answer; null where the log is
    older); times are int64 microseconds UTC; features that were missing are null. ``since`` (microseconds UTC) leaves
    out what was served earlier, ``model`` what another registered model served. A torn line (of a server that was
    killed) is left out. No folder, or an empty one, gives an empty frame with ``COLUMNS``.
    """
    import pandas as pd

    # A file is named after the day (UTC) on which its slates were served.
    first = "" if since is None else datetime.fromtimestamp(min(since, _LATEST) / 1_000_000, tz=UTC).date().isoformat()
    files = [path for path in sorted(folder.glob("*.jsonl")) if path.name[:10] >= first]
    rows = [
        _row(line)
        for path in files
        for line in _lines(path)
        if (since is None or line["served"] >= since) and (model is None or line.get("model") == model)
    ]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = pd.DataFrame(rows).sort_values("served", kind="stable", ignore_index=True)
    # An id that a caller gives twice is still two requests.
    frame["slate"] = frame.groupby(["served", "request", "slate"], sort=False, dropna=False).ngroup()
    return frame


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for text in stream:
            try:
                line = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
            if isinstance(line, dict) and line.keys() >= _NEEDED:
                yield line


def _row(line: dict[str, Any]) -> dict[str, Any]:
    own = {
        "slate": line["slate"],
        **{name: line.get(name) for name in _SAME},
        **{column: line.get(name) for name, column in _RANKED.items()},
        **{f"{PROBABILITY}{task}": value for task, value in line[PROBABILITIES].items()},
    }
    # A spec has no such features; the lines of an older release may.
    return own | {name: value for name, value in line[FEATURES].items() if name not in own}
