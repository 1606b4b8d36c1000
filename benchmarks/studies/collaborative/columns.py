"""The trees' columns of a study's impressions: all that the graph has, and exact user-user beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from benchmarks.studies.collaborative.exact import exact_user_user
from models.configs.model import ModelConfig
from models.graph.store import TemporalGraph
from models.nn.encoding import Encoding
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans
from models.training.batches import MemberState
from models.training.labels import known, labelled
from models.training.seed_values import SeedValues

Values = dict[MemberState, np.ndarray]
STATES: tuple[MemberState, MemberState] = ("as_of", "frozen")


@dataclass(frozen=True)
class Columns:
    """Columns by name of the rows to learn from, as of the impression, and of the rows to score, in both states."""

    names: tuple[str, ...]
    categories: tuple[int, ...]
    """Positions of the columns of codes."""
    learn: np.ndarray
    """(train rows, columns) float32."""
    score: Values
    """By state: (validation rows, columns) float32."""
    labels: np.ndarray
    """(train rows, tasks) float32, NaN = undefined."""
    stop: np.ndarray
    """(validation rows, tasks) float32: the labels that stop a fit, NaN where they settle too late."""


def columns_of(graph: TemporalGraph, config: ModelConfig) -> Columns:
    """The columns of the graph's train and validate rows; cold twins are left out."""
    encoding = Encoding.fit(graph, graph.schema.window("validate").end)
    source = SeedValues(config, graph.schema, encoding, graph)
    learn, score = rows_of(graph)
    labels = graph.seeds.labels.numpy()
    early = torch.isin(score, known(graph, ("validate",))).numpy()
    return Columns(
        names=source.inputs.names,
        categories=source.inputs.categories,
        learn=source.of(learn),
        score={state: source.of(score, state) for state in STATES},
        labels=labels[learn],
        stop=np.where(early[:, None], labels[score], np.nan),
    )


def rows_of(graph: TemporalGraph) -> tuple[Tensor, Tensor]:
    """Positions of the seeds to learn from, and of those to score. Raises NoSeedsError without any of the former."""
    return labelled(graph, ("train",)), graph.seeds.rows("validate")


def with_exact(columns: Columns, graph: TemporalGraph, spec: Spec, tables: Path) -> Columns:
    """The columns, and two of exact user-user for every block. ``tables``: the folder of the canonical tables."""
    names, learn, score = columns.names, [columns.learn], {state: [columns.score[state]] for state in STATES}
    rows, scored = rows_of(graph)
    for block in collaborative_plans(spec):
        names += exact_names(block)
        learn.append(_of(graph, spec, block, tables, rows, graph.seeds.time))
        for state, times in zip(STATES, (graph.seeds.time, graph.seeds.frozen_time), strict=True):
            score[state].append(_of(graph, spec, block, tables, scored, times))
    return Columns(
        names=names,
        categories=columns.categories,
        learn=np.hstack(learn),
        score={state: np.hstack(parts) for state, parts in score.items()},
        labels=columns.labels,
        stop=columns.stop,
    )


def exact_names(block: str) -> tuple[str, str]:
    """The names of a block's two columns."""
    return f"{block}_exact_user_user", f"{block}_exact_user_user_weight"


def _of(graph: TemporalGraph, spec: Spec, block: str, tables: Path, rows: Tensor, times: Tensor) -> np.ndarray:
    seeds, schema = graph.seeds, graph.schema.seeds
    members = _keys(graph.keys(schema.member), seeds.member[rows])
    items = _keys(graph.keys(schema.item), seeds.item[rows])
    return exact_user_user(spec, block, tables, members, items, times[rows].numpy())


def _keys(keys: pa.Array, places: Tensor) -> pa.Array:
    """The keys of nodes (n,); null for those that the graph does not know."""
    found = places.numpy()
    return keys.take(pa.array(found, mask=found < 0))
