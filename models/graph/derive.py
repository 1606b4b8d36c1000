"""Derived parts of a graph: affinity and densification edges, common-neighbor weights, and PageRanks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from models.graph.affinity import affinity
from models.graph.columns import describe, encode
from models.graph.densify import Nodes, densify
from models.graph.engine import Connection
from models.graph.neighbours import common_neighbours
from models.graph.relations import attribute_column
from models.graph.schema import PageRank, Strategy
from models.spec import Affinity, Densification, Spec
from models.spec.derived_references import ends
from models.sql import identifier
from models.time_units import DAY


class Workspace(Protocol):
    """The relations ``edge_<name>`` and ``version_<node>`` of a build, and a folder for files."""

    connection: Connection
    scratch: Path
    """A folder for temporary files, removed after the build."""


@dataclass(frozen=True)
class DerivedEdge:
    """An edge type that is not read from a table; fields as in ``models.spec.Edge``, with node types as ends."""

    source: str
    target: str
    kind: Literal["affinity", "intrinsic"]
    domain: str
    fan_out: list[int]
    reverse_fan_out: list[int]
    window_days: int | None
    strategy: Strategy


def derived_edges(spec: Spec) -> dict[str, DerivedEdge]:
    """The derived edge types that are active in the chosen domains: affinities, then densifications.

    An affinity is off if its domain, its engagement edge type or its creation edge type is off. A densification is
    content-based and always on, unless the edge type whose degree it counts is off.
    """
    active, between = spec.active_edges(), ends(spec)
    found = {}
    for name, part in spec.affinities.items():
        domain = part.domain or spec.edges[part.engagement].domain
        if {part.engagement, part.creation} <= set(active) and (spec.domains is None or domain in spec.domains):
            found[name] = _derived(part, *between[name], "affinity", domain)
    for name, dense in spec.densification.items():
        if dense.degree_of is None or dense.degree_of in active:
            found[name] = _derived(dense, *between[name], "intrinsic", dense.domain or spec.home_domain)
    return found


def derive(workspace: Workspace, spec: Spec, name: str) -> dict[str, int]:
    """Create relation ``edge_<name>`` (source, target, time, row, weight) of a derived edge type from other relations.

    Returns the number of nodes that were left out, by reason. Raises GraphInputError if vectors do not fit the spec.
    """
    if name in spec.affinities:
        _derive_affinity(workspace.connection, spec, name)
        return {}
    return _derive_densification(workspace, spec, name)


def weigh_by_common_neighbours(workspace: Workspace, name: str, attributes: Sequence[str] = ()) -> None:
    """Replace the weights of ``edge_<name>`` by the similarity of the ends' neighborhoods before the edge's time.

    ``attributes``: the names of the edge type's attributes, which are kept.
    """
    connection = workspace.connection
    connection.create(
        f"weighed_{name}", common_neighbours(name, [attribute_column(attribute) for attribute in attributes])
    )
    connection.drop(f"edge_{name}")
    connection.create(f"edge_{name}", f"SELECT * FROM {identifier(f'weighed_{name}')}")
    connection.drop(f"weighed_{name}")


def pageranks(spec: Spec) -> tuple[PageRank, ...]:
    """The spec's PageRanks over active edge types; a PageRank without any is off."""
    active = [*spec.active_edges(), *derived_edges(spec)]
    found = []
    for name, rank in spec.pageranks.items():
        edges = tuple(edge for edge in active if rank.edges is None or edge in rank.edges)
        if edges:
            found.append(PageRank(name=name, **{**rank.model_dump(), "edges": edges}))
    return tuple(found)


def _derived(
    part: Affinity | Densification, source: str, target: str, kind: Literal["affinity", "intrinsic"], domain: str
) -> DerivedEdge:
    back = part.reverse_fan_out or part.fan_out
    return DerivedEdge(source, target, kind, domain, part.fan_out, back, part.window_days, part.strategy)


def _derive_affinity(connection: Connection, spec: Spec, name: str) -> None:
    part = spec.affinities[name]
    viewer, creator = ends(spec)[name]
    statement = affinity(
        part.engagement,
        part.creation,
        created_first=spec.edges[part.creation].source.node == spec.edges[part.engagement].target.node,
        within=part.within_days * DAY,
        at_least=part.at_least,
        apart=viewer == creator,
    )
    connection.create(f"edge_{name}", statement)


def _derive_densification(workspace: Workspace, spec: Spec, name: str) -> dict[str, int]:
    connection, dense, before = workspace.connection, spec.densification[name], spec.span("train").start
    nodes = _first_vectors(connection, spec, dense, before)
    found = densify(nodes, before, dense)
    rows = {**vars(found), "row": np.arange(len(found.source), dtype=np.int64)}
    path = workspace.scratch / f"densification_{name}.parquet"
    parquet.write_table(pa.table(rows), path)
    connection.register(f"densification_{name}", path)
    connection.create(
        f"edge_{name}",
        "SELECT CAST(source AS INTEGER) AS source, CAST(target AS INTEGER) AS target, time, row, weight "
        f"FROM {identifier(f'densification_{name}')}",
    )
    counted = connection.fetch(f"SELECT count(DISTINCT node) AS nodes FROM {identifier(f'version_{dense.node}')}")
    return {"without_vector": counted["nodes"][0].as_py() - int(nodes.vector.any(axis=1).sum())}


def _first_vectors(connection: Connection, spec: Spec, dense: Densification, before: int) -> Nodes:
    """The nodes that ever have a vector, each with its first one and its degree before ``before``."""
    (feature,) = (
        feature
        for view in spec.nodes[dense.node].views.values()
        for feature in view.typed
        if feature.name == dense.feature
    )
    column = identifier(f"feature_{feature.name}")
    table = connection.fetch(
        f"SELECT node, time, vector FROM (SELECT node, time, {column} AS vector, "
        "row_number() OVER (PARTITION BY node ORDER BY time) AS place "
        f"FROM {identifier(f'version_{dense.node}')} WHERE {column} IS NOT NULL) AS known WHERE place = 1 ORDER BY node"
    )
    columns = {feature.name: table["vector"]}
    vectors = encode([feature], describe([feature], [columns]), columns, len(table)).vectors.numpy()
    index = table["node"].to_numpy()
    return Nodes(index, table["time"].to_numpy(), vectors, _degrees(connection, spec, dense, before, index))


def _degrees(connection: Connection, spec: Spec, dense: Densification, before: int, index: np.ndarray) -> np.ndarray:
    """The number of edges before ``before`` of each node of ``index`` (nodes,), ascending: (nodes,) int64."""
    counted = {
        name: "source" if edge.source.node == dense.node else "target"
        for name, edge in spec.active_edges().items()
        if name == dense.degree_of
        or (dense.degree_of is None and edge.kind == "engagement" and edge.source.node == dense.node)
    }
    degree = np.zeros(len(index), np.int64)
    if counted:
        ends_of = " UNION ALL ".join(
            f"SELECT {end} AS node FROM {identifier(f'edge_{name}')} WHERE time < {before}"
            for name, end in counted.items()
        )
        found = connection.fetch(
            f"SELECT node, count(*) AS degree FROM ({ends_of}) AS ends GROUP BY node ORDER BY node"
        )
        node = found["node"].to_numpy()
        place = np.searchsorted(index, node)
        known = place < len(index)
        known[known] = index[place[known]] == node[known]
        degree[place[known]] = found["degree"].to_numpy()[known]
    return degree
