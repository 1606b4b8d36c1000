"""Event tables of a spec: the impressions, and the tables of engagement edges that start at the member."""

from dataclasses import dataclass
from typing import Any

from models.spec import Spec


@dataclass(frozen=True)
class ActivityEdge:
    """An engagement edge whose rows are activities of a member."""

    name: str
    place: int
    """Position in ``edge_names``."""
    member: str
    target: str
    time: str
    """Columns of the table: the member, the target of the engagement, its time."""
    filter: dict[str, list[Any]]


def events_view(table: str) -> str:
    """Name of the view of an event table."""
    return f"events_{table}"


def event_tables(spec: Spec) -> list[str]:
    """Tables whose rows can be pushed: the impressions, then those of engagement edges."""
    return list(dict.fromkeys([spec.impressions.table, *activity_edges(spec)]))


def activity_edges(spec: Spec) -> dict[str, list[ActivityEdge]]:
    """Engagement edges whose source is the member, by table, in the order of the spec. Filters are the spec's own."""
    member = spec.impressions.member.node
    by_table: dict[str, list[ActivityEdge]] = {}
    edges = [
        (name, edge)
        for name, edge in spec.active_edges().items()
        if edge.kind == "engagement" and edge.source.node == member
    ]
    for place, (name, edge) in enumerate(edges):
        ends = (edge.source.column, edge.target.column)
        by_table.setdefault(edge.table, []).append(ActivityEdge(name, place, *ends, edge.time, edge.filter))
    return by_table


def edge_names(spec: Spec) -> list[str]:
    """Names of the activity edges, by place."""
    names = {edge.place: edge.name for edges in activity_edges(spec).values() for edge in edges}
    return [names[place] for place in sorted(names)]
