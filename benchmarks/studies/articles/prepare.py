"""From a log to its graph, by the functions that the product's pipeline runs."""

import sys
from pathlib import Path

from benchmarks.studies.articles import adapter
from feature_repo.applied import CONFIG
from feature_repo.apply import apply
from feature_repo.retrieve import retrieve
from feature_repo.sources.ingest import ingest
from feature_repo.sources.windows import spec_of
from feature_repo.store import open_store, project_of
from models.graph.build import build_graph
from models.spec import Spec, load_spec

SPEC = Path(__file__).with_name("articles.yaml")


def spec_drawn(how: str, seed: int) -> Spec:
    """The spec with negatives drawn in one of ``adapter.DRAWN``."""
    spec = load_spec(SPEC)
    options = {**spec.source.options, "drawn": how, "seed": seed}
    # What the file does not give stays open, for the data to decide.
    return spec.model_copy(update={"source": spec.source.model_copy(update={"options": options})})


def prepare(spec: Spec, raw: Path, folder: Path) -> Spec:
    """Make ``tables``, ``training`` and ``graph`` of a log in ``folder``; return the spec as ingest resolved it."""
    # A team puts its adapter into that package; this one stays with its study.
    sys.modules[f"feature_repo.sources.{adapter.NAME}"] = adapter
    tables = folder / "tables"
    spec = spec_of(spec, ingest(spec, raw, tables))
    store = open_store(CONFIG, folder / "state", project_of(spec.name))
    apply(store, spec, tables, str(tables.resolve()), str((folder / "state" / "pushed").resolve()))
    retrieve(store, spec, tables, folder / "training")
    build_graph(spec, tables, folder / "training", folder / "graph")
    return spec
