"""A product with sampled negatives in a folder: its tables, training set and graph."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from feature_repo.retrieve import retrieve
from feature_repo.sources.ingest import ingest
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.negatives.logs import COLUMNS, tasteful_log
from tests.feature_repo.sources.fakes import install_adapter

SAMPLING = {"per_positive": 3, "real_rate": {"click": 0.02}}


class Product(NamedTuple):
    spec: Spec
    store: Any
    folder: Path

    @property
    def graph(self) -> TemporalGraph:
        return TemporalGraph.load(self.folder / "graph")


def made(folder: Path, spec: Spec) -> Product:
    with pytest.MonkeyPatch.context() as patch:
        install_adapter(patch, lambda spec, data: tasteful_log(), COLUMNS)
        ingest(spec, None, folder / "tables")
    store = tiny.store_of(spec, folder / "state")
    tiny.apply_tables(store, spec, folder / "tables", folder / "state")
    retrieve(store, spec, folder / "tables", folder / "training")
    build_graph(spec, folder / "tables", folder / "training", folder / "graph")
    return Product(spec, store, folder)
