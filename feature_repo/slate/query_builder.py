"""Build the query of a request: check its keys and encode them as row keys."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feature_repo.packed.keys import key_part
from feature_repo.slate.errors import SlateKeyError
from feature_repo.slate.plan import SlatePlan, ViewRead
from feature_repo.slate.query import DerivedRows, KeyFromRow, Query

_INTEGERS = (int, np.integer)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (bytes,),
    "int32": _INTEGERS,
    "int64": _INTEGERS,
    "timestamp": _INTEGERS,
}
_BOUNDS = {"int32": 2**31, "int64": 2**63, "timestamp": 2**63}


def build_query(
    plan: SlatePlan, shared: Mapping[str, Any], candidates: Mapping[str, Sequence[Any] | np.ndarray], most: int
) -> tuple[Query, int]:
    """Build the query of a request; return it and the number of candidates.

    ``candidates`` holds (candidates,) values by key. Raises SlateKeyError for a missing key, a value of a wrong type,
    or more than ``most`` candidates.
    """
    once = {key: _checked(key, kind, [_given(shared, key, "shared")]) for key, kind in plan.shared_keys.items()}
    given = {key: _given(candidates, key, "candidates") for key in plan.candidate_keys}
    each = {key: _checked(key, kind, given[key]) for key, kind in plan.candidate_keys.items()}
    count = _count(each)
    if count > most:
        raise SlateKeyError(f"candidates: expected at most {most}; found {count}. Request fewer at once")
    encoded = _EncodedKeys(once, each)
    keys: list[bytes] = []
    starts: dict[str, int] = {}
    for read in plan.direct:
        starts[read.name] = len(keys)
        keys += _row_keys(read, encoded, count)
    derived = [DerivedRows(count if read.each else 1, _parts(plan, read, encoded, starts)) for read in plan.derived]
    return Query(keys, derived), count


class _EncodedKeys:
    """Key parts of all values, encoded once for all views that share a key."""

    def __init__(self, shared: Mapping[str, list[Any]], candidates: Mapping[str, list[Any]]) -> None:
        self._shared, self._candidates = shared, candidates
        self._parts: dict[tuple[str, bool], bytes | list[bytes]] = {}

    def parts(self, key: str, several: bool) -> bytes | list[bytes]:
        """One part, or one per candidate; ``several`` as for ``key_part``."""
        parts = self._parts.get((key, several))
        if parts is None:
            if key in self._candidates:
                parts = [key_part(value, several) for value in self._candidates[key]]
            else:
                parts = key_part(self._shared[key][0], several)
            self._parts[key, several] = parts
        return parts


def _row_keys(read: ViewRead, encoded: _EncodedKeys, count: int) -> list[bytes]:
    columns = [encoded.parts(key, len(read.keys) > 1) for key in read.keys]
    if len(columns) == 1 and isinstance(columns[0], list):
        return [read.prefix + part for part in columns[0]]
    if not read.each:
        return [read.prefix + b"".join(part for part in columns if isinstance(part, bytes))]
    aligned = [[part] * count if isinstance(part, bytes) else part for part in columns]
    return [read.prefix + b"".join(parts) for parts in zip(*aligned, strict=True)]


def _parts(
    plan: SlatePlan, read: ViewRead, encoded: _EncodedKeys, starts: Mapping[str, int]
) -> tuple[bytes | Sequence[bytes] | KeyFromRow, ...]:
    each = {other.name: other.each for other in plan.direct}
    parts: list[bytes | Sequence[bytes] | KeyFromRow] = [read.prefix]
    for key in read.keys:
        source = plan.sources.get(key)
        if source is None:
            parts.append(encoded.parts(key, len(read.keys) > 1))
        else:
            field = plan.key_fields[read.name, key]
            parts.append(KeyFromRow(field, first=starts[source.view], step=int(each[source.view])))
    return tuple(parts)


def _given(values: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in values:
        raise SlateKeyError(
            f"key {key!r}: expected it among the {where}; found {', '.join(map(repr, values)) or 'none'}"
        )
    return values[key]


def _checked(key: str, kind: str, values: Any) -> list[Any]:
    """The values as plain Python. A bool is not an integer, and a string is not a list of keys."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SlateKeyError(f"key {key!r}: expected a sequence of {kind}, one per candidate; found {values!r}")
    good = {found for found in set(map(type, values)) if issubclass(found, _TYPES[kind]) and found is not bool}
    bound = _BOUNDS.get(kind)
    for value in values:
        if type(value) not in good or (bound is not None and not -bound <= value < bound):
            raise SlateKeyError(f"key {key!r}: expected {kind}; found {value!r} ({type(value).__name__})")
    return list(values)


def _count(candidates: Mapping[str, list[Any]]) -> int:
    lengths = {key: len(values) for key, values in candidates.items()}
    if len(set(lengths.values())) > 1:
        raise SlateKeyError(f"candidates: expected as many values of every key; found {lengths}")
    return next(iter(lengths.values()), 0)
