"""From canonical tables and a training set to a stored ``TemporalGraph``, which need not fit into memory."""

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from models.features import edge_attributes
from models.files import replaced_folder
from models.graph.derive import DerivedEdge, derive, derived_edges, pageranks, weigh_by_common_neighbours
from models.graph.edges import describe_attributes, write_edges
from models.graph.engine import Engine
from models.graph.engines.duckdb import DuckDB
from models.graph.errors import EngineError
from models.graph.inputs import check_inputs
from models.graph.nodes import write_nodes
from models.graph.relations import Relations
from models.graph.schema import REVERSE, EdgeType, FeatureColumn, GraphSchema, NodeType, SeedSchema, TaskColumn
from models.graph.seeds import build_seeds, window_spans
from models.graph.store import edge_file, keys_file, node_file, seal, write_keys, write_seeds
from models.spec import Edge, Spec

_log = logging.getLogger(__name__)
_DAY = 86_400_000_000


def build_graph(
    spec: Spec, tables: Path, training_set: Path, folder: Path, engine: Engine | None = None
) -> dict[str, Any]:
    """Build the graph of a product into ``folder`` (whole or not at all) and return its manifest.

    ``tables``: the canonical tables; ``training_set``: what retrieval wrote (docs/architecture.md, section 2);
    ``engine``: what runs the statements, DuckDB in the process by default. Nodes' keys and seeds are held in memory;
    edges and versions are not. The same input gives the same digest on every engine, but for derived weights, which may
    differ in their last bits. Raises GraphInputError, or EngineError where memory or disk does not suffice.
    """
    started, folder = time.monotonic(), Path(folder)
    dropped: dict[str, dict[str, dict[str, int]]] = {"edges": {}, "versions": {}}
    counts: dict[str, dict[str, int]] = {"nodes": {}, "versions": {}, "edges": {}, "seeds": {}}
    engine = engine or DuckDB()
    derived = derived_edges(spec)
    with (
        _writing(folder),
        replaced_folder(folder) as fresh,
        _scratch_folder(folder) as scratch,
        engine.connect(scratch) as connection,
    ):
        relations = Relations(spec, Path(tables), Path(training_set), connection, scratch)
        check_inputs(spec, Path(tables), Path(training_set))
        node_types = []
        for name in spec.nodes:
            with _timed(f"node {name}") as told:
                keys = relations.number_nodes(name)
                written = write_nodes(node_file(fresh, name), spec, relations, name, keys)
                write_keys(keys_file(fresh, name), keys)
                node_types.append(written.node_type)
                counts["nodes"][name], counts["versions"][name] = len(keys), written.versions
                dropped["versions"][name] = written.dropped
                told.append(f"{len(keys)} keys, {written.versions} versions")
        for name, edge in spec.active_edges().items():
            with _timed(f"edge {name}") as told:
                dropped["edges"][name] = relations.select_edges(name, edge)
                if edge.weigh_by == "common_neighbours":
                    weigh_by_common_neighbours(relations, name, list(edge.attributes))
                told.append("rows selected")
        for name in derived:
            with _timed(f"edge {name}") as told:
                dropped["edges"][name] = derive(relations, spec, name)
                told.append("rows derived")
        attributes: dict[str, tuple[FeatureColumn, ...]] = {}
        for name, ends in _ends(spec, derived).items():
            size = relations.count_edges(name)
            said = [] if name in derived else edge_attributes(spec.edges[name])
            attributes[name] = describe_attributes(relations, name, said)
            for direction, source in ((name, ends[0]), (REVERSE + name, ends[1])):
                with _timed(f"edge {direction}") as told:
                    path, sources = edge_file(fresh, direction), counts["nodes"][source]
                    write_edges(path, relations, name, direction != name, size, said, attributes[name], sources)
                    counts["edges"][direction] = size.rows
                    told.append(f"{size.rows} rows written")
            connection.drop(f"edge_{name}")
        seeds, seed_features = build_seeds(spec, relations)
        write_seeds(fresh, seeds)
        counts["seeds"] = {window: len(seeds.rows(window)) for window in seeds.windows}
        schema = _schema(spec, tuple(node_types), derived, attributes, seed_features)
        manifest = seal(fresh, schema, counts, {"dropped": dropped})
    _tell_dropped(dropped["edges"])
    forward = [rows for name, rows in counts["edges"].items() if not name.startswith(REVERSE)]
    _log.info(
        "%d nodes of %d types, %d edges of %d types, %d seeds in %.1f s",
        sum(counts["nodes"].values()),
        len(counts["nodes"]),
        sum(forward),
        len(forward),
        len(seeds),
        time.monotonic() - started,
    )
    return manifest


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the system refuses to write as an EngineError."""
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{folder}: expected a folder that can be written and room on its disk; found {error}. Free the disk or "
            "choose another folder"
        ) from error


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside the graph, for what does not fit into memory; removed at the end, whatever happens."""
    scratch = folder.absolute().with_name(f".{folder.name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _timed(stage: str) -> Iterator[list[str]]:
    """Log a stage with what it appended to the yielded list and its seconds."""
    started, told = time.monotonic(), list[str]()
    yield told
    _log.info("%s: %s in %.1f s", stage, ", ".join(told), time.monotonic() - started)


def _tell_dropped(edges: dict[str, dict[str, int]]) -> None:
    for name, reasons in edges.items():
        for reason, rows in reasons.items():
            if rows:
                _log.info("edge %s: dropped %d rows: %s", name, rows, reason.replace("_", " "))


def _ends(spec: Spec, derived: dict[str, DerivedEdge]) -> dict[str, tuple[str, str]]:
    """The node types of both ends of every edge type."""
    given = {name: (edge.source.node, edge.target.node) for name, edge in spec.active_edges().items()}
    return {**given, **{name: (edge.source, edge.target) for name, edge in derived.items()}}


def _schema(
    spec: Spec,
    nodes: tuple[NodeType, ...],
    derived: dict[str, DerivedEdge],
    attributes: dict[str, tuple[FeatureColumn, ...]],
    seed_features: tuple[FeatureColumn, ...],
) -> GraphSchema:
    member, shown = spec.impressions.member.node, spec.impressions
    ends, given = _ends(spec, derived), spec.active_edges()
    walked: dict[str, Edge | DerivedEdge] = {**given, **derived}
    windows = window_spans(spec)
    train = next(window for window in windows if window.name == "train")
    offset = datetime.fromtimestamp(train.start / 1_000_000, spec.zone).utcoffset()
    return GraphSchema(
        nodes=nodes,
        edges=tuple(
            direction
            for name, edge in walked.items()
            for direction in _directions(name, edge, *ends[name], attributes[name])
        ),
        activity_edges=tuple(
            name for name, edge in given.items() if edge.kind == "engagement" and edge.source.node == member
        ),
        seeds=SeedSchema(
            member=member,
            item=shown.item.node,
            surfaces=tuple(shown.surfaces),
            features=seed_features,
            tasks=tuple(TaskColumn(name, task.weight, task.primary) for name, task in spec.tasks.items()),
            timezone_offset=int(offset.total_seconds() * 1_000_000) if offset else 0,
            windows=windows,
        ),
        pageranks=pageranks(spec),
    )


def _directions(
    name: str, edge: Edge | DerivedEdge, source: str, target: str, attributes: tuple[FeatureColumn, ...]
) -> tuple[EdgeType, EdgeType]:
    window = edge.window_days * _DAY if edge.window_days else None
    forward, back = tuple(edge.fan_out), tuple(edge.reverse_fan_out or edge.fan_out)
    return (
        EdgeType(name, source, target, edge.kind, edge.domain, forward, window, edge.strategy, attributes),
        EdgeType(REVERSE + name, target, source, edge.kind, edge.domain, back, window, edge.strategy, attributes),
    )
