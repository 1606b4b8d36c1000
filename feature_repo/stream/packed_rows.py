"""Packed rows as plain Python values, one view at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from feature_repo.packed.arrow import arrow_type
from feature_repo.packed.layout import Field, Key, Layout, layout_of
from feature_repo.packed.pack import pack, unpack
from feature_repo.stream.plan import StoredView
from feature_repo.views.times import TIMESTAMP
from models.counters.ragged import Ragged

_TIME = "event_timestamp"


@dataclass(frozen=True)
class Row:
    """A row of a view: its event time (microseconds UTC), its flags, its features by name."""

    time: int
    flags: int
    values: Mapping[str, Any]


def stored_view(view: Any) -> StoredView:
    """The layout of a Feast view in plain values."""
    layout = layout_of(view)
    keys, fields = (tuple((part.name, part.kind) for part in parts) for parts in (layout.keys, layout.fields))
    return StoredView(keys, fields, layout.ttl)


def layout(name: str, stored: StoredView) -> Layout:
    """The inverse of ``stored_view``."""
    keys = tuple(Key(key, kind) for key, kind in stored.keys)
    return Layout(name, keys, tuple(Field(field, kind) for field, kind in stored.fields), stored.ttl)


def read_rows(layout: Layout, packed: Sequence[bytes | None]) -> list[Row | None]:
    """Unpack rows of a view; None for a missing row or one of another layout."""
    columns = unpack(layout, packed)
    names = [field.name for field in layout.fields]
    rows: list[Row | None] = []
    for place in range(len(packed)):
        if not columns.found[place]:
            rows.append(None)
            continue
        values = {name: _plain(columns.values[name], place) if columns.valid[name][place] else None for name in names}
        rows.append(Row(int(columns.event_time[place]), int(columns.flags[place]), values))
    return rows


def write_rows(layout: Layout, rows: Sequence[Row], flags: int = 0) -> list[bytes]:
    """Pack rows with these flags. The stream writes int64, strings and lists of them only."""
    table = {_TIME: pa.array([row.time for row in rows], pa.int64()).cast(TIMESTAMP)}
    for field in layout.fields:
        values = [row.values[field.name] for row in rows]
        table[field.name] = pa.array(values, arrow_type(field.kind))
    return pack(layout, pa.table(table), _TIME, None, flags)


def _plain(column: Any, place: int) -> Any:
    if isinstance(column, Ragged):
        return column[place].tolist()
    value = column[place]
    return value.item() if hasattr(value, "item") else value
