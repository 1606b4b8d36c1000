"""Expected outcomes of pushed impressions, from the snapshots in the online store."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import Layout
from feature_repo.packed.rows import RowStore
from feature_repo.stream.packed_rows import Row, read_rows
from feature_repo.stream.plan import EventPlan
from models.counters.fold import expected_column
from models.counters.snapshot import SnapshotPlan, expectations

Keys = tuple[Any, ...]


def with_expectations(
    rows: RowStore, project: str, plan: EventPlan, layouts: Mapping[str, Layout], events: Sequence[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Add each settled impression's expected outcomes, as of the snapshot that was visible when it was shown.

    Where that snapshot is not in the store, because it is late or long gone, no residual is booked: materialize has it.
    """
    shown = plan.impressions
    if shown is None or shown.residual is None:
        yield from events
        return
    known = [_read(rows, project, layouts[one.name], one, events) for one in shown.residual.snapshots]
    for event in events:
        settled = event.get(shown.settled)
        if settled is None:
            yield event
            continue
        found = [states.get(_keys(one, event)) for one, states in zip(shown.residual.snapshots, known, strict=True)]
        values = [None if row is None else row.values for row in found]
        explained = expectations(shown.residual, values, event[shown.time], settled)
        yield {**event, **{expected_column(rate): value for rate, value in explained.items()}}


def _read(
    rows: RowStore, project: str, view: Layout, snapshot: SnapshotPlan, events: Sequence[Mapping[str, Any]]
) -> dict[Keys, Row | None]:
    keys = [keys for keys in dict.fromkeys(_keys(snapshot, event) for event in events) if None not in keys]
    packed = rows.read([row_key(project, view.view, one) for one in keys])
    return dict(zip(keys, read_rows(view, packed), strict=True))


def _keys(snapshot: SnapshotPlan, event: Mapping[str, Any]) -> Keys:
    return tuple(event.get(column) for column in snapshot.columns)
