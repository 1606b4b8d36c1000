"""Reader of the served log, JSON lines with one impression each, written by ``serving.server.served_log``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from models.columns import COLUMN_OF, FEATURES, PROBABILITIES, PROBABILITY, CandidateFields, SlateFields
from models.impression_ids import slate_of
from models.spec import Spec
from models.time_units import moment

if TYPE_CHECKING:
    import pandas as pd

_SAME = tuple(name for name in SlateFields._fields if name != "slate")
"""Fields of the slate that become columns under their own names."""
_RANKED = {name: COLUMN_OF.get(name, name) for name in CandidateFields._fields}
"""Fields of a candidate, and the columns they become."""
_LATER = {"adjustments", "impression", "propensity"}
"""Fields that lines of older releases lack: null."""
_LATEST = 253_402_300_799_000_000  # the end of the year 9999, the last that datetime supports
_NEEDED = {"served", "request", "slate", *_RANKED.keys() - _LATER, PROBABILITIES, FEATURES}
COLUMNS = ("slate", *_SAME, *_RANKED.values())
"""Columns of every frame; ``probability_<task>`` and the decoder's features follow."""


def model_name(spec: Spec) -> str:
    """The registered model's name, also used in the endpoint's URLs and in each line of the served log."""
    return model_of(spec.name)


def model_of(product: str) -> str:
    """The registered model's name of the product with this name."""
    return f"heliograph-{product.replace('_', '-')}"


def read(folder: Path, since: int | None = None, model: str | None = None) -> "pd.DataFrame":
    """All served candidates in ``folder``, one row each, in order of serving.

    ``slate`` numbers the ranked slates; ``position`` is the rank, from 0; ``impression`` is the id of the impression
    (``models.impression_ids``); ``as_of`` is the time as of which features were read; ``score`` is what was ranked by,
    ``propensity`` the probability of that item at that rank, ``adjustments`` the rules applied (a list as in the
    response), ``stale`` what was too old (a list). Older logs have null as ``impression``, ``propensity``,
    ``adjustments`` and ``stale``. Times are int64 microseconds UTC; missing features are null. ``since`` (microseconds
    UTC) skips candidates served earlier, ``model`` those of other registered models. An incomplete line (of a killed
    server) is skipped. A missing or empty folder gives an empty frame with ``COLUMNS``.
    """
    import pandas as pd

    # Files are named by the day (UTC) on which their slates were served.
    first = "" if since is None else moment(min(since, _LATEST)).date().isoformat()
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
    frame["slate"] = frame["slate"].factorize()[0]
    return frame


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for text in stream:
            try:
                line = orjson.loads(text)
            except orjson.JSONDecodeError:
                continue
            if isinstance(line, dict) and line.keys() >= _NEEDED and _is_readable(line):
                yield line


def _is_readable(line: dict[str, Any]) -> bool:
    """Whether what the reader computes with has its type."""
    texts = all(isinstance(line.get(name), str | None) for name in ("impression", "request"))
    numbers = all(isinstance(line[name], int) for name in ("served", "slate"))
    return texts and numbers and isinstance(line[PROBABILITIES], dict) and isinstance(line[FEATURES], dict)


def _slate(line: dict[str, Any]) -> Any:
    """What tells a slate from all others. A request id that a client uses twice is still two requests."""
    impression = line.get("impression")
    return (line["served"], line["request"], line["slate"]) if impression is None else slate_of(impression)


def _row(line: dict[str, Any]) -> dict[str, Any]:
    own = {
        "slate": _slate(line),
        **{name: line.get(name) for name in _SAME},
        **{column: line.get(name) for name, column in _RANKED.items()},
        **{f"{PROBABILITY}{task}": value for task, value in line[PROBABILITIES].items()},
    }
    # Features named like a column: impossible in a current spec, possible in logs of older releases.
    return own | {name: value for name, value in line[FEATURES].items() if name not in own}
