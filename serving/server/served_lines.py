"""Lines of the served log: one JSON object per impression of a slate, in ranked order.

Whole columns are serialized and then joined to lines; one dictionary per impression would take three times as long.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from models.columns import FEATURES, PROBABILITIES, CandidateFields, SlateFields
from serving.ranking.slate import Slate, is_column


def impressions(slate: Slate, served: int, model: str) -> bytes:
    """The lines of a slate; NaN becomes null.

    ``served``: when it was served, in microseconds UTC; ``model``: the registered model's name.
    """
    if not slate.items:
        return b""
    columns = {name: values for name, values in slate.features.items() if is_column(values)}
    of_slate = SlateFields(
        served=served,
        request=slate.ids.request,
        slate=slate.ids.number,
        time=slate.time,
        as_of=slate.as_of,
        member=slate.member,
        member_cold=slate.member_cold,
        surface=slate.surface,
        model=model,
        model_version=slate.model_version,
        fallback=slate.fallback,
        stale=[*slate.stale.kinds],
        latency=None if slate.latency is None else round(slate.latency, 6),
    )
    of_candidates = CandidateFields(
        rank=range(len(slate.items)),
        impression=range(len(slate.items)),  # what follows the id of the slate
        item=slate.items,
        cold=slate.cold,
        capped=slate.capped,
        score=slate.scores,
        propensity=slate.propensities,
        adjustments=slate.adjustments,
    )
    shared = {name: _plain(values) for name, values in slate.features.items() if name not in columns}
    templates = {name: _varying(name) for name in of_candidates._fields}
    templates["impression"] = templates["impression"].replace(b"%b", b'"%b/%%b"' % slate.ids.slate.encode())
    line = b",".join(
        [
            *_constant(of_slate._asdict()),
            *templates.values(),
            _varying(PROBABILITIES) % (b"{" + b",".join(map(_varying, slate.probabilities)) + b"}"),
            _varying(FEATURES) % (b"{" + b",".join([*_constant(shared), *map(_varying, columns)]) + b"}"),
        ]
    )
    texts = map(_json_values, (*of_candidates, *slate.probabilities.values(), *columns.values()))
    return b"".join([b"{" + line % row + b"}\n" for row in zip(*texts, strict=True)])


def _constant(values: dict[str, Any]) -> list[bytes]:
    """JSON members with the same value in every line, escaped for the template; an empty list for no values."""
    return [orjson.dumps(values)[1:-1].replace(b"%", b"%%")] if values else []


def _varying(name: str) -> bytes:
    """Template of a JSON member whose value differs from line to line."""
    return orjson.dumps(name).replace(b"%", b"%%") + b":%b"


def _json_values(values: Iterable[Any]) -> list[bytes]:
    """Every value of a column as JSON."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        if values.dtype.kind == "f":
            values = values.astype(np.float64)  # so that 0.1 of float32 is written as the number that training reads
        return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    return [orjson.dumps(value) for value in values]


def _plain(values: Any) -> Any:
    """An array of shape (1,) as its value."""
    return values.item() if isinstance(values, np.ndarray) else values
