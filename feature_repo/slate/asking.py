"""From a request to what is asked of the store: its keys, checked and written as the rows' keys are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feature_repo.slate.errors import SlateKeyError
from feature_repo.slate.plan import Plan, ViewRead
from feature_repo.slate.question import DerivedRows, Found, Question
from feature_repo.stores.online.keys import key_part

_WHOLE = (int, np.integer)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (bytes,),
    "int32": _WHOLE,
    "int64": _WHOLE,
    "timestamp": _WHOLE,
}
_BOUNDS = {"int32": 2**31, "int64": 2**63, "timestamp": 2**63}


def ask(
    plan: Plan, shared: Mapping[str, Any], candidates: Mapping[str, Sequence[Any] | np.ndarray], most: int
) -> tuple[Question, int]:
    """The question and the number of candidates.

    Raises SlateKeyError for a missing key, a value of a wrong type and more than ``most`` candidates.
    """
    once = {key: _checked(key, kind, [_given(shared, key, "shared")]) for key, kind in plan.shared_keys.items()}
    given = {key: _given(candidates, key, "candidates") for key in plan.candidate_keys}
    each = {key: _checked(key, kind, given[key]) for key, kind in plan.candidate_keys.items()}
    count = _count(each)
    if count > most:
        raise SlateKeyError(f"candidates: expected at most {most}; found {count}. Ask for fewer at once")
    written = _Written(once, each)
    keys: list[bytes] = []
    starts: dict[str, int] = {}
    for read in plan.direct:
        starts[read.name] = len(keys)
        keys += _keys(read, written, count)
    derived = [DerivedRows(count if read.each else 1, _parts(plan, read, written, starts)) for read in plan.waiting]
    return Question(keys, derived), count


class _Written:
    """Every key's values as bytes, written once for all the views that have it."""

    def __init__(self, shared: Mapping[str, list[Any]], candidates: Mapping[str, list[Any]]) -> None:
        self._shared, self._candidates = shared, candidates
        self._parts: dict[tuple[str, bool], bytes | list[bytes]] = {}

    def parts(self, key: str, several: bool) -> bytes | list[bytes]:
        """One for all, or one a candidate; ``several`` as of ``key_part``."""
        found = self._parts.get((key, several))
        if found is None:
            if key in self._candidates:
                found = [key_part(value, several) for value in self._candidates[key]]
            else:
                found = key_part(self._shared[key][0], several)
            self._parts[key, several] = found
        return found


def _keys(read: ViewRead, written: _Written, count: int) -> list[bytes]:
    columns = [written.parts(key, len(read.keys) > 1) for key in read.keys]
    if len(columns) == 1 and isinstance(columns[0], list):
        return [read.prefix + part for part in columns[0]]
    if not read.each:
        return [read.prefix + b"".join(part for part in columns if isinstance(part, bytes))]
    aligned = [[part] * count if isinstance(part, bytes) else part for part in columns]
    return [read.prefix + b"".join(parts) for parts in zip(*aligned, strict=True)]


def _parts(
    plan: Plan, read: ViewRead, written: _Written, starts: Mapping[str, int]
) -> tuple[bytes | Sequence[bytes] | Found, ...]:
    each = {other.name: other.each for other in plan.direct}
    parts: list[bytes | Sequence[bytes] | Found] = [read.prefix]
    for key in read.keys:
        source = plan.sources.get(key)
        if source is None:
            parts.append(written.parts(key, len(read.keys) > 1))
        else:
            slot = plan.slots[read.name, key]
            parts.append(Found(slot, first=starts[source.view], step=int(each[source.view])))
    return tuple(parts)


def _given(values: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in values:
        raise SlateKeyError(
            f"key {key!r}: expected it among the {where}; found {', '.join(map(repr, values)) or 'none'}"
        )
    return values[key]


def _checked(key: str, kind: str, values: Any) -> list[Any]:
    """The values as plain Python; a bool is no whole number, and text is no list of keys."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise SlateKeyError(f"key {key!r}: expected a sequence of {kind}, one a candidate; found {values!r}")
    good = {found for found in set(map(type, values)) if issubclass(found, _TYPES[kind]) and found is not bool}
    bound = _BOUNDS.get(kind)
    for value in values:
        if type(value) not in good or (bound is not None and not -bound <= value < bound):
            raise SlateKeyError(f"key {key!r}: expected {kind}; found {value!r} ({type(value).__name__})")
    return list(values)


def _count(slate: Mapping[str, list[Any]]) -> int:
    lengths = {key: len(values) for key, values in slate.items()}
    if len(set(lengths.values())) > 1:
        raise SlateKeyError(f"candidates: expected as many values of every key; found {lengths}")
    return next(iter(lengths.values()), 0)
