"""Builds a stored ``TemporalGraph`` from canonical tables and a training set, with bounded memory."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.features import edge_attributes, item_exposures
from models.files import replaced_folder, scratch_folder
from models.graph.derive import DerivedEdge, derive, derived_edges, pageranks, weigh_by_common_neighbours
from models.graph.edges import describe_attributes, write_edges
from models.graph.engine import Engine
from models.graph.engines.duckdb import DuckDB
from models.graph.errors import EngineError
from models.graph.inputs import check_inputs
from models.graph.nodes import write_nodes
from models.graph.relations import Relations
from models.graph.schema import (
    REVERSE,
    EdgeType,
    FeatureColumn,
    GraphSchema,
    NodeType,
    SampledTask,
    SeedSchema,
    TaskColumn,
)
from models.graph.seeds import build_seeds, window_spans
from models.graph.store import edge_file, keys_file, node_file, seal, write_keys, write_seeds
from models.spec import Edge, Spec
from models.spec.negative_references import negative_tasks
from models.time_units import DAY, duration, moment

_log = logging.getLogger(__name__)


def build_graph(
    spec: Spec, tables: Path, training_set: Path, folder: Path, engine: Engine | None = None
) -> dict[str, Any]:
    """Build the graph of a product into ``folder`` (atomically) and return its manifest.

    ``tables``: the canonical tables; ``training_set``: the output of retrieval (docs/architecture.md, section 2);
    ``engine``: what runs the statements, by default DuckDB in this process. Node keys and seeds are held in memory,
    edges and versions are not. The same input gives the same digest on every engine, except for derived weights, whose
    last bits may differ. Raises GraphInputError, or EngineError if memory or disk is full.
    """
    started, folder = time.monotonic(), Path(folder)
    tables, training_set = Path(tables), Path(training_set)
    engine = engine or DuckDB()
    with (
        _write_errors(folder),
        replaced_folder(folder) as fresh,
        scratch_folder(folder.absolute().with_name(f".{folder.name}.scratch")) as scratch,
        engine.connect(scratch) as connection,
    ):
        relations = Relations(spec, tables, training_set, connection, scratch)
        check_inputs(spec, tables, training_set)
        build = _Build(spec, relations, fresh, derived_edges(spec))
        for node in spec.nodes:
            build.write_node_type(node)
        for edge in spec.active_edges():
            build.select_edges(edge)
        for edge in build.derived:
            build.derive_edges(edge)
        for edge in _ends(spec, build.derived):
            build.write_edge_type(edge)
        seed_features = build.write_seeds()
        schema = _schema(spec, tuple(build.node_types), build.derived, build.attributes, seed_features)
        manifest = seal(fresh, schema, build.counts, {"dropped": build.dropped})
    _log_totals(build.counts, build.dropped["edges"], time.monotonic() - started)
    return manifest


@dataclass
class _Build:
    """The stages of a build, in order, and what they have written so far."""

    spec: Spec
    relations: Relations
    folder: Path
    derived: dict[str, DerivedEdge]
    node_types: list[NodeType] = field(default_factory=list)
    attributes: dict[str, tuple[FeatureColumn, ...]] = field(default_factory=dict)
    """By edge type."""
    counts: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"nodes": {}, "versions": {}, "edges": {}, "seeds": {}}
    )
    dropped: dict[str, dict[str, dict[str, int]]] = field(default_factory=lambda: {"edges": {}, "versions": {}})
    """Rows that were left out, by type and reason."""

    def write_node_type(self, name: str) -> None:
        """Number the nodes and write their keys and versions."""
        with _timed(f"node {name}") as messages:
            keys = self.relations.number_nodes(name)
            written = write_nodes(node_file(self.folder, name), self.spec, self.relations, name, keys)
            write_keys(keys_file(self.folder, name), keys)
            self.node_types.append(written.node_type)
            self.counts["nodes"][name], self.counts["versions"][name] = len(keys), written.versions
            self.dropped["versions"][name] = written.dropped
            messages.append(f"{len(keys)} keys, {written.versions} versions")

    def select_edges(self, name: str) -> None:
        """Create the relation of an edge type that is read from a table."""
        edge = self.spec.edges[name]
        with _timed(f"edge {name}") as messages:
            self.dropped["edges"][name] = self.relations.select_edges(name, edge)
            if edge.weigh_by == "common_neighbours":
                weigh_by_common_neighbours(self.relations, name, list(edge.attributes))
            messages.append("rows selected")

    def derive_edges(self, name: str) -> None:
        """Create the relation of a derived edge type; those of all selected edge types must exist."""
        with _timed(f"edge {name}") as messages:
            self.dropped["edges"][name] = derive(self.relations, self.spec, name)
            messages.append("rows derived")

    def write_edge_type(self, name: str) -> None:
        """Write both directions of an edge type and drop its relation."""
        source, target = _ends(self.spec, self.derived)[name]
        size = self.relations.count_edges(name)
        features = [] if name in self.derived else edge_attributes(self.spec.edges[name])
        self.attributes[name] = describe_attributes(self.relations, name, features)
        for direction, owner in ((name, source), (REVERSE + name, target)):
            with _timed(f"edge {direction}") as messages:
                path, owners = edge_file(self.folder, direction), self.counts["nodes"][owner]
                reverse = direction != name
                write_edges(path, self.relations, name, reverse, size, features, self.attributes[name], owners)
                self.counts["edges"][direction] = size.rows
                messages.append(f"{size.rows} rows written")
        self.relations.connection.drop(f"edge_{name}")

    def write_seeds(self) -> tuple[FeatureColumn, ...]:
        """Write the seeds; returns the schema of their features."""
        seeds, features = build_seeds(self.spec, self.relations)
        write_seeds(self.folder, seeds)
        self.counts["seeds"] = {window: len(seeds.rows(window)) for window in seeds.windows}
        return features


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    """Raise EngineError for errors of the operating system."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{folder}: expected a folder that can be written and room on its disk; found {error}. Free the disk or "
            "choose another folder"
        ) from error


@contextmanager
def _timed(stage: str) -> Iterator[list[str]]:
    """Log a stage with the messages that it appended to the yielded list, and its seconds."""
    started, messages = time.monotonic(), list[str]()
    yield messages
    _log.info("%s: %s in %.1f s", stage, ", ".join(messages), time.monotonic() - started)


def _log_totals(
    counts: Mapping[str, Mapping[str, int]], dropped_edges: Mapping[str, Mapping[str, int]], seconds: float
) -> None:
    for name, reasons in dropped_edges.items():
        for reason, rows in reasons.items():
            if rows:
                _log.info("edge %s: dropped %d rows: %s", name, rows, reason.replace("_", " "))
    forward = [rows for name, rows in counts["edges"].items() if not name.startswith(REVERSE)]
    _log.info(
        "%d nodes of %d types, %d edges of %d types, %d seeds in %.1f s",
        sum(counts["nodes"].values()),
        len(counts["nodes"]),
        sum(forward),
        len(forward),
        sum(counts["seeds"].values()),
        seconds,
    )


def _ends(spec: Spec, derived: dict[str, DerivedEdge]) -> dict[str, tuple[str, str]]:
    """The node types of both ends of every edge type, selected ones first."""
    selected = {name: (edge.source.node, edge.target.node) for name, edge in spec.active_edges().items()}
    return {**selected, **{name: (edge.source, edge.target) for name, edge in derived.items()}}


def _schema(
    spec: Spec,
    nodes: tuple[NodeType, ...],
    derived: dict[str, DerivedEdge],
    attributes: dict[str, tuple[FeatureColumn, ...]],
    seed_features: tuple[FeatureColumn, ...],
) -> GraphSchema:
    member, shown = spec.impressions.member.node, spec.impressions
    ends, selected = _ends(spec, derived), spec.active_edges()
    edges: dict[str, Edge | DerivedEdge] = {**selected, **derived}
    windows = window_spans(spec)
    train = next(window for window in windows if window.name == "train")
    offset = moment(train.start).astimezone(spec.zone).utcoffset()
    return GraphSchema(
        nodes=nodes,
        edges=tuple(
            direction
            for name, edge in edges.items()
            for direction in _directions(name, edge, *ends[name], attributes[name])
        ),
        activity_edges=tuple(
            name for name, edge in selected.items() if edge.kind == "engagement" and edge.source.node == member
        ),
        seeds=SeedSchema(
            member=member,
            item=shown.item.node,
            surfaces=tuple(shown.surfaces),
            features=seed_features,
            tasks=tuple(TaskColumn(name, task.weight, task.primary) for name, task in spec.tasks.items()),
            timezone_offset=duration(offset) if offset else 0,
            windows=windows,
            exposures=item_exposures(spec),
            sampled=tuple(SampledTask(name, rate) for name, rate in negative_tasks(spec).items()),
        ),
        pageranks=pageranks(spec),
    )


def _directions(
    name: str, edge: Edge | DerivedEdge, source: str, target: str, attributes: tuple[FeatureColumn, ...]
) -> tuple[EdgeType, EdgeType]:
    window = edge.window_days * DAY if edge.window_days else None
    forward, back = tuple(edge.fan_out), tuple(edge.reverse_fan_out or edge.fan_out)
    return (
        EdgeType(name, source, target, edge.kind, edge.domain, forward, window, edge.strategy, attributes),
        EdgeType(REVERSE + name, target, source, edge.kind, edge.domain, back, window, edge.strategy, attributes),
    )
