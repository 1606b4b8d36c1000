"""Lines of the served log, written by ``serving.server.served_lines``, as rows of a data frame."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from models.columns import COLUMN_OF, FEATURES, PROBABILITIES, PROBABILITY, CandidateFields, SlateFields
from models.impression_ids import slate_of

_SAME = tuple(name for name in SlateFields._fields if name != "slate")
"""Fields of the slate that become columns under their own names."""
_RANKED = {name: COLUMN_OF.get(name, name) for name in CandidateFields._fields}
"""Fields of a candidate, and the columns they become."""
_LATER = {"adjustments", "impression", "propensity"}
"""Fields that lines of older releases lack: null."""
LATEST = 253_402_300_799_000_000  # the end of the year 9999, the last that datetime supports
_NEEDED = {"served", "request", "slate", *_RANKED.keys() - _LATER, PROBABILITIES, FEATURES}
COLUMNS = ("slate", *_SAME, *_RANKED.values())
"""Columns of every frame; ``probability_<task>`` and the decoder's features follow."""


def lines(stream: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The lines that can be read; an incomplete one (of a killed server) is skipped."""
    for line in filter(None, map(line_object, stream)):
        if line.keys() >= _NEEDED and _is_readable(line):
            yield line


def line_object(line: bytes) -> dict[str, Any] | None:
    """The object of one line of JSON; None for an incomplete line, and for another value."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def row(line: dict[str, Any]) -> dict[str, Any]:
    """A line as a row of ``COLUMNS`` and what follows them; ``slate`` tells its slate from all others."""
    own = {
        "slate": _slate(line),
        **{name: line.get(name) for name in _SAME},
        **{column: line.get(name) for name, column in _RANKED.items()},
        **{f"{PROBABILITY}{task}": value for task, value in line[PROBABILITIES].items()},
    }
    # Features named like a column: impossible in a current spec, possible in logs of older releases.
    return own | {name: value for name, value in line[FEATURES].items() if name not in own}


def _is_readable(line: dict[str, Any]) -> bool:
    """Whether what the reader computes with has its type."""
    texts = all(isinstance(line.get(name), str | None) for name in ("impression", "request"))
    numbers = all(isinstance(line[name], int) for name in ("served", "slate"))
    return texts and numbers and isinstance(line[PROBABILITIES], dict) and isinstance(line[FEATURES], dict)


def _slate(line: dict[str, Any]) -> str:
    """A request id that a client uses twice is still two requests."""
    impression = line.get("impression")
    return f"{line['served']} {line['slate']} {line['request']}" if impression is None else slate_of(impression)
