"""What a fit refuses though the tables are valid, a sentence each: pre-training, and collaborative snapshots."""

from collections.abc import Iterator, Mapping

import pandas as pd

from feature_repo.checks.edges import edge_rows, moment_of, visible_before
from feature_repo.collaborative import SnapshotError
from feature_repo.collaborative.cuts import needed_cuts
from feature_repo.collaborative.neighbors import check_ease_items
from feature_repo.sources.schemas import time_columns
from models.collaborative.plan import EASE
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans

Tables = Mapping[str, pd.DataFrame]


def fit_errors(spec: Spec, tables: Tables) -> Iterator[str]:
    """Errors of the fits that a run makes of these tables; what reads a table that is not among them is left out."""
    if spec.training.history_events:
        yield from _history(spec, tables)
    for name, plan in collaborative_plans(spec).items():
        edges = [spec.edges[edge] for edge in spec.collaborative[name].outcome]
        cuts = needed_cuts(spec, plan.delay, _end(spec, tables)) if EASE in plan.kinds else []
        if not cuts or any(edge.table not in tables for edge in edges):
            continue
        seen = [edge_rows(tables, edge) for edge in edges]
        keys = [
            rows.loc[rows[edge.time] < moment_of(cuts[-1].cut), edge.target.column]
            for rows, edge in zip(seen, edges, strict=True)
        ]
        try:
            check_ease_items(name, pd.concat(keys).nunique())
        except SnapshotError as error:
            yield str(error)


def _history(spec: Spec, tables: Tables) -> Iterator[str]:
    engagements = [edge for edge in spec.active_edges().values() if edge.kind == "engagement"]
    ends = (spec.impressions.member.node, spec.impressions.item.node)
    actions = [edge for edge in engagements if (edge.source.node, edge.target.node) == ends]
    domains = [edge.domain for edge in actions]
    early = sum(
        visible_before(spec, edge_rows(tables, edge), edge.time, "train")
        for edge in actions
        if domains.count(edge.domain) > 1 and edge.table in tables
    )
    if not early:
        yield (
            "training.history_events: expected engagements of members with items before the train window, in a domain "
            "that has two kinds of them; found none. Set it to 0"
        )


def _end(spec: Spec, tables: Tables) -> int:
    """The time of the newest row, microseconds UTC; 0 without any."""
    times = [
        tables[name][column].max()
        for name, columns in time_columns(spec).items()
        if name in tables
        for column in columns
    ]
    newest = max((time for time in times if not pd.isna(time)), default=None)
    return 0 if newest is None else int(newest.as_unit("us").asm8.astype("int64"))
