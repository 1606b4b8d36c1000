"""A stored graph, a model of a second and predictions out of nothing, for the tests of the studies."""

from pathlib import Path

import numpy as np

from benchmarks.studies.fitting import Setting
from benchmarks.studies.predictions import Predictions, write
from benchmarks.studies.row import Row
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from tests.models.training.small import MODEL, TRAINING


def stored_graph(folder: Path) -> TemporalGraph:
    fake_graph(members=20, items=24, impressions=1200).save(folder / "graph")
    return TemporalGraph.load(folder / "graph")


def setting(folder: Path) -> Setting:
    return Setting(folder / "graph", folder / "predictions", MODEL, TRAINING, commit="abc123")


Scores = np.ndarray | dict[str, np.ndarray] | None


def pretend(where: Setting, graph: TemporalGraph, row: Row, seed: int, scores: Scores = None) -> Path:
    """A file as if the row had been fitted; scores, or those of each part, at random if none are given."""
    rows = graph.seeds.rows(where.window)
    made = np.random.default_rng(seed).random((len(rows), len(graph.schema.seeds.tasks)))
    found = Predictions(
        keys=graph.seeds.keys.take(rows.numpy()),
        tasks=tuple(task.name for task in graph.schema.seeds.tasks),
        scores={seen.name: _of(scores, seen.part, made) for seen in row.seen},
        note={"seed": seed, "seconds": 1.0, "commit": where.commit, "device": "none", "summary": {"history": []}},
    )
    return write(where.predictions, row.name, where.digest(row, seed, graph), found)


def _of(scores: Scores, part: str, made: np.ndarray) -> np.ndarray:
    if isinstance(scores, dict):
        return scores.get(part, made)
    return made if scores is None else scores
