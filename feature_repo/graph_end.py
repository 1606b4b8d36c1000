"""End of a graph's data: the newest row that vectors are made from, which is what they may be stamped with."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.sources import end_of_data
from feature_repo.sources.errors import TableError
from feature_repo.views.times import column_microseconds
from models.spec import Spec

if TYPE_CHECKING:
    from models.graph.store import TemporalGraph


def end_of_graph(spec: Spec, graph: "TemporalGraph", tables: Path) -> int:
    """The time just after the newest edge or node version that ``graph`` has from ``tables``, in microseconds UTC.

    It is ``end_of_data`` or earlier: vectors do not read the rows that no active edge keeps, nor when a version was
    written. Derived edges and expiries of versions, which have times of their own, do not count. Raises TableError for
    a graph without edges and versions, and as ``end_of_data``.
    """
    times = [int(graph.edges[name].time.max()) for name in spec.active_edges() if len(graph.edges[name].time)]
    for view in (view for name, node in spec.nodes.items() if name in graph.nodes for view in node.views.values()):
        column = pq.read_table(tables / f"{view.table}.parquet", columns=[view.time])[view.time]
        if len(column):
            times.append(pc.max(column_microseconds(column)).as_py())
    end = end_of_data(tables)
    if not times:
        raise TableError(f"{tables}: expected an edge or a node version in the graph; found none")
    return min(max(times) + 1, end)
