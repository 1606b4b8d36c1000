"""Event plan: how rows of one event table update the online store, as JSON in the tags of the table's view."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from feature_repo.views.events import ActivityEdge
from models.counters.plan import CounterPlan
from models.counters.snapshot import ResidualPlan

TAG = "heliograph.stream"
"""Tag of an event table's view that holds its plan."""

Kind = Literal["int", "float", "double", "text", "time"]
"""int: 64 bits; float, double: 32 and 64 bits; time: text in ISO-8601 with a zone, or integer microseconds UTC."""


@dataclass(frozen=True)
class ImpressionPlan:
    """What rows of the impressions table update besides activities."""

    key: str
    time: str
    settled: str
    member: str
    item: str
    """Five columns of the table."""
    counters: tuple[CounterPlan, ...]
    attributes: Mapping[str, str]
    """Item features that counters read, as keys or to compare: feature -> its view."""
    residual: ResidualPlan | None = None
    """How residuals are booked; None if no counter has any."""


@dataclass(frozen=True)
class StoredView:
    """A packed view's layout in plain values."""

    keys: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    """(name, kind) pairs."""
    ttl: int | None
    """Microseconds; None = no expiry."""


@dataclass(frozen=True)
class EventPlan:
    """One event table of a spec. The field names are stored in Feast's registry: do not rename them."""

    table: str
    time: str
    """Column of a row's event time in Feast."""
    member_key: str
    """Join key of the table's view."""
    member_column: str
    """Column of the table behind the join key."""
    columns: Mapping[str, Kind]
    """Every column that is read."""
    required: tuple[str, ...]
    """Columns without nulls."""
    last: int
    """Length of a member's list of last activities."""
    edges: tuple[str, ...]
    """Every activity edge of the spec, also of other tables, by place."""
    activities: tuple[ActivityEdge, ...]
    """The activity edges of this table."""
    impressions: ImpressionPlan | None
    views: Mapping[str, StoredView]
    """The views that are read and written: last activities, counters, item views, snapshots."""
    known: tuple[str, ...] = ()
    """Every column of the table."""
    spec: str = ""
    """The spec as JSON: pushed rows are validated like ingested ones. Empty if applied by an earlier release."""

    def to_json(self) -> str:
        """JSON for the view's tag. The same spec and tables give the same text."""
        return json.dumps(asdict(self), sort_keys=True)


@lru_cache(maxsize=64)
def read_plan(text: str) -> EventPlan:
    """The inverse of ``EventPlan.to_json``."""
    values = json.loads(text)
    shown = values["impressions"]
    if shown is not None:
        counters = tuple(CounterPlan.from_dict(counter) for counter in shown["counters"])
        residual = shown.get("residual")
        parts = {"counters": counters, "residual": residual and ResidualPlan.from_dict(residual)}
        values["impressions"] = ImpressionPlan(**{**shown, **parts})
    for name in ("required", "edges", "known"):
        values[name] = tuple(values.get(name, ()))
    values["activities"] = tuple(ActivityEdge(**edge) for edge in values["activities"])
    values["views"] = {name: _stored_view(view) for name, view in values["views"].items()}
    return EventPlan(**values)


def _stored_view(values: Mapping[str, Any]) -> StoredView:
    keys, fields = (tuple((name, kind) for name, kind in values[part]) for part in ("keys", "fields"))
    return StoredView(keys, fields, values["ttl"])
