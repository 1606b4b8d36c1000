"""Trees of the small model, fitted in a second."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch

from models.boosting import search
from models.boosting.fit import add_trees
from models.graph.store import TemporalGraph
from models.training.artifact import Model, Validation, load_model, save_model
from models.training.labels import known
from tests.models.training.small import MODEL, small_graph, small_model

CONFIG = {"trees": True, "trees_weight": 0.25}


def small_product(folder: Path) -> Model:
    """The model of ``small_graph()`` with trees, and its artifact ``folder``; fitted once."""
    folder.mkdir(parents=True)
    for name, content in _artifact().items():
        (folder / name).write_bytes(content)
    return load_model(folder)


def small_leaves() -> AbstractContextManager[Any]:
    """Lets the search's first trial split the few rows of a small graph."""
    return patch.dict(search._BY_HAND, min_data_in_leaf=5)


def with_validation(model: Model, graph: TemporalGraph, folder: Path) -> Path:
    """An artifact as a fit leaves it, with made-up logits."""
    rows = known(graph, ("validate",))
    logits = torch.randn(len(rows), len(model.tasks), generator=torch.Generator().manual_seed(1))
    model.validation = Validation(rows, graph.seeds.time[rows], logits)
    return save_model(model, folder)


@cache
def _artifact() -> dict[str, bytes]:
    with TemporaryDirectory() as name:
        folder, graph = Path(name), small_graph()
        network = with_validation(small_model(folder, graph), graph, folder / "network")
        config = replace(MODEL, **CONFIG)
        with small_leaves():
            add_trees(graph, network, config, folder / "product", trials=1)
        return {path.name: path.read_bytes() for path in (folder / "product").iterdir()}
