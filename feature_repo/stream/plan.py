"""What the online store's writer needs to know about one event table: plain values, as JSON in the view's tags."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from models.counters.plan import CounterPlan

TAG = "heliograph.stream"
"""The tag of an events view that holds its plan."""

Kind = Literal["int", "float", "double", "text", "time"]
"""int: 64 bits; float, double: 32 and 64 bits; time: text in ISO-8601, or whole microseconds UTC."""


@dataclass(frozen=True)
class ActivityEdge:
    """An engagement edge whose rows this table holds: its events make the member's last activities."""

    name: str
    place: int
    """Its position in ``EventPlan.edges``."""
    member: str
    target: str
    time: str
    """Three columns of the table: the member, what was engaged with, the moment."""
    filter: dict[str, list[Any]]


@dataclass(frozen=True)
class ImpressionPlan:
    """What the impressions' table moves besides activities."""

    key: str
    time: str
    settled: str
    member: str
    item: str
    """Five columns of the table."""
    counters: tuple[CounterPlan, ...]
    attributes: Mapping[str, str]
    """Counter keys that are features of the item: feature -> its view."""


@dataclass(frozen=True)
class StoredView:
    """A packed view's layout in plain values."""

    keys: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    """Names and kinds."""
    ttl: int | None


@dataclass(frozen=True)
class EventPlan:
    """One event table of a spec."""

    table: str
    time: str
    """The column of a row's event time in Feast."""
    member_key: str
    """The join key of the table's view, and the column behind it:"""
    member_column: str
    columns: Mapping[str, Kind]
    """Every column that is read."""
    required: tuple[str, ...]
    """Those that no row may lack."""
    last: int
    """N: how many activities a member's list holds."""
    edges: tuple[str, ...]
    """Every engagement edge of the spec, also of other tables."""
    activities: tuple[ActivityEdge, ...]
    impressions: ImpressionPlan | None
    views: Mapping[str, StoredView]
    """The views that are read and written: the last activities, the counters, the item's."""
    known: tuple[str, ...] = ()
    """Every column of the table, read or not."""
    spec: str = ""
    """The spec as JSON: pushed rows are judged as ingested ones are. Empty: applied by an earlier release."""

    def to_json(self) -> str:
        """The text for the view's tag: the same for the same spec and tables."""
        return json.dumps(asdict(self), sort_keys=True)


@lru_cache(maxsize=64)
def read_plan(text: str) -> EventPlan:
    """What ``to_json`` gave."""
    values = json.loads(text)
    shown = values["impressions"]
    if shown is not None:
        counters = tuple(CounterPlan.from_dict(counter) for counter in shown["counters"])
        values["impressions"] = ImpressionPlan(**{**shown, "counters": counters})
    for name in ("required", "edges", "known"):
        values[name] = tuple(values.get(name, ()))
    values["activities"] = tuple(ActivityEdge(**edge) for edge in values["activities"])
    values["views"] = {name: _stored(view) for name, view in values["views"].items()}
    return EventPlan(**values)


def _stored(values: Mapping[str, Any]) -> StoredView:
    keys, fields = (tuple((name, kind) for name, kind in values[part]) for part in ("keys", "fields"))
    return StoredView(keys, fields, values["ttl"])
