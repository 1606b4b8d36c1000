"""From canonical tables and a training set to a stored ``TemporalGraph``."""

import logging
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from models.features import node_features
from models.graph.columns import describe, encode
from models.graph.csr import csr_offsets
from models.graph.errors import GraphInputError
from models.graph.hashing import hash_keys
from models.graph.schema import REVERSE, EdgeType, FeatureColumn, GraphSchema, NodeType, SeedSchema, TaskColumn
from models.graph.seeds import build_seeds, window_spans
from models.graph.sql import Relations
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors
from models.spec import Spec

_log = logging.getLogger(__name__)
_DAY = 86_400_000_000
_INT32 = 2**31 - 1


def build_graph(spec: Spec, tables: Path, training_set: Path, folder: Path) -> dict[str, Any]:
    """Build the graph of a product into ``folder`` (whole or not at all) and return its manifest.

    ``tables``: the canonical tables; ``training_set``: what retrieval wrote (docs/architecture.md, section 2). The
    same input gives the same digest. Raises GraphInputError.
    """
    started = time.monotonic()
    with Relations(spec, Path(tables), Path(training_set)) as relations:
        node_keys = {node: relations.number_nodes(node) for node in spec.nodes}
        nodes, node_types, edges = {}, [], {}
        dropped: dict[str, dict[str, dict[str, int]]] = {"edges": {}, "versions": {}}
        for name, keys in node_keys.items():
            nodes[name], node_type, dropped["versions"][name] = _node(spec, relations, name, keys)
            node_types.append(node_type)
        for name, edge in spec.active_edges().items():
            _check_name(name)
            dropped["edges"][name] = relations.select_edges(name, edge)
            edges[name] = _csr(relations, name, len(node_keys[edge.source.node]), reverse=False)
            edges[REVERSE + name] = _csr(relations, name, len(node_keys[edge.target.node]), reverse=True)
            for reason, rows in dropped["edges"][name].items():
                if rows:
                    _log.info("edge %s: dropped %d rows: %s", name, rows, reason.replace("_", " "))
        seeds, seed_features = build_seeds(spec, relations)
    schema = _schema(spec, tuple(node_types), seed_features)
    graph = TemporalGraph(
        schema=schema,
        edges=edges,
        nodes=nodes,
        seeds=seeds,
        node_keys=node_keys,
    )
    manifest = graph.save(folder, extra={"dropped": dropped})
    _log.info(
        "%d nodes of %d types, %d edges of %d types, %d seeds in %.1f s",
        sum(map(len, node_keys.values())),
        len(node_keys),
        sum(len(edge.time) for name, edge in edges.items() if not name.startswith(REVERSE)),
        len(edges) // 2,
        len(seeds),
        time.monotonic() - started,
    )
    return manifest


def _check_name(edge: str) -> None:
    if edge.startswith(REVERSE):
        raise GraphInputError(
            f"edges.{edge}: expected a name that does not begin with {REVERSE!r}, which names the other direction of "
            "an edge; found one. Rename it in the spec"
        )


def _node(spec: Spec, relations: Relations, name: str, keys: pa.Array) -> tuple[NodeTensors, NodeType, dict[str, int]]:
    """A node type's tensors and schema, and how many versions were dropped, by reason."""
    if len(keys) > _INT32:
        raise GraphInputError(f"node {name!r}: expected at most {_INT32} keys; found {len(keys)}. Split the type")
    table, dropped = relations.versions(name)
    features = node_features(spec, name)
    columns = {feature.name: table[f"feature_{feature.name}"] for feature in features}
    described = describe(features, [columns])
    tensors = NodeTensors(
        id_hash=torch.from_numpy(hash_keys(keys)),
        version_offsets=csr_offsets(table["node"].to_numpy(), len(keys)),
        version_time=torch.from_numpy(np.array(table["time"].to_numpy())),
        **encode(features, described, columns, len(table))._asdict(),
    )
    return tensors, NodeType(name, len(keys), described, spec.nodes[name].id_buckets), dropped


def _csr(relations: Relations, name: str, sources: int, reverse: bool) -> EdgeTensors:
    rows = relations.edge_rows(name, reverse)
    weight = torch.from_numpy(rows.weight.astype(np.float32))
    return EdgeTensors(
        offsets=csr_offsets(rows.source, sources),
        target=torch.from_numpy(rows.target.astype(np.int32)),
        time=torch.from_numpy(rows.time.astype(np.int64)),
        weight=weight[:0] if bool((weight == 1).all()) else weight,
    )


def _schema(spec: Spec, nodes: tuple[NodeType, ...], seed_features: tuple[FeatureColumn, ...]) -> GraphSchema:
    member, shown = spec.impressions.member.node, spec.impressions
    edges, activity_edges = [], []
    for name, edge in spec.active_edges().items():
        window = edge.window_days * _DAY if edge.window_days else None
        source, target = edge.source.node, edge.target.node
        back = tuple(edge.reverse_fan_out or edge.fan_out)
        edges.append(EdgeType(name, source, target, edge.kind, edge.domain, tuple(edge.fan_out), window))
        edges.append(EdgeType(REVERSE + name, target, source, edge.kind, edge.domain, back, window))
        if edge.kind == "engagement" and source == member:
            activity_edges.append(name)
    windows = window_spans(spec)
    train = next(window for window in windows if window.name == "train")
    offset = datetime.fromtimestamp(train.start / 1_000_000, spec.zone).utcoffset()
    return GraphSchema(
        nodes=nodes,
        edges=tuple(edges),
        activity_edges=tuple(activity_edges),
        seeds=SeedSchema(
            member=member,
            item=shown.item.node,
            surfaces=tuple(shown.surfaces),
            features=seed_features,
            tasks=tuple(TaskColumn(name, task.weight, task.primary) for name, task in spec.tasks.items()),
            timezone_offset=int(offset.total_seconds() * 1_000_000) if offset else 0,
            windows=windows,
        ),
    )
