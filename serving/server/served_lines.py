"""A slate as lines of the served log: one JSON object per impression, in ranked order.

Columns are turned into text whole and then woven into lines; a dictionary an impression would cost three times as much.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from models.columns import FEATURES, PROBABILITIES, CandidateFields, SlateFields
from serving.ranking.slate import Slate, is_column


def impressions(slate: Slate, moment: int, number: int, model: str) -> bytes:
    """``moment``: microseconds UTC at which it was answered; ``number``: its place among the request's slates.

    NaN is null.
    """
    if not slate.items:
        return b""
    columns = {name: values for name, values in slate.features.items() if is_column(values)}
    once = SlateFields(
        served=moment,
        request=slate.request_id,
        slate=number,
        time=slate.time,
        as_of=slate.as_of,
        member=slate.member,
        member_cold=slate.member_cold,
        surface=slate.surface,
        model=model,
        model_version=slate.model_version,
        fallback=slate.fallback,
    )
    ranked = CandidateFields(
        rank=range(len(slate.items)),
        item=slate.items,
        cold=slate.cold,
        capped=slate.capped,
        score=slate.scores,
        adjustments=slate.adjustments,
    )
    shared = {name: _plain(values) for name, values in slate.features.items() if name not in columns}
    line = b",".join(
        [
            *_fixed(once._asdict()),
            *map(_open, ranked._fields),
            _open(PROBABILITIES) % (b"{" + b",".join(map(_open, slate.probabilities)) + b"}"),
            _open(FEATURES) % (b"{" + b",".join([*_fixed(shared), *map(_open, columns)]) + b"}"),
        ]
    )
    texts = map(_texts, (*ranked, *slate.probabilities.values(), *columns.values()))
    return b"".join([b"{" + line % row + b"}\n" for row in zip(*texts, strict=True)])


def _fixed(values: dict[str, Any]) -> list[bytes]:
    """The members of an object that all lines have alike, safe in a template; none where there is none."""
    return [orjson.dumps(values)[1:-1].replace(b"%", b"%%")] if values else []


def _open(name: str) -> bytes:
    """A member of an object whose value differs from line to line."""
    return orjson.dumps(name).replace(b"%", b"%%") + b":%b"


def _texts(values: Iterable[Any]) -> list[bytes]:
    """The JSON of every value of a column."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        if values.dtype.kind == "f":
            values = values.astype(np.float64)  # else 0.1 of float32 would not be the number that training knows
        return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    return [orjson.dumps(value) for value in values]


def _plain(values: Any) -> Any:
    """(1,) as its value."""
    return values.item() if isinstance(values, np.ndarray) else values
