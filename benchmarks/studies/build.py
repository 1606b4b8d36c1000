"""The graph of a study: ``python -m benchmarks.studies.build --spec FILE --data FOLDER --out FOLDER``.

Ingest, apply, retrieve and build, without a run's services. ``--option tab=2`` sets an option of the spec's adapter.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feature_repo.applied import pushed_folder
from feature_repo.apply import apply
from feature_repo.as_of import RetrievalError
from feature_repo.retrieve import retrieve
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from feature_repo.sources.windows import spec_of
from feature_repo.store import open_store, project_of
from models.graph.build import build_graph
from models.graph.errors import GraphError
from models.spec import Spec, SpecError, load_spec
from models.yaml_documents import read_document

_STORE = Path(__file__).resolve().parents[2] / "feature_repo" / "feature_store.yaml"


def build(spec: Spec, data: Path | None, out: Path) -> dict[str, Any]:
    """Build the graph of the product's data into ``out``; return its manifest. Raises SourceError and GraphError."""
    with TemporaryDirectory() as folder:
        return prepare(spec, data, Path(folder), out)[1]


def prepare(spec: Spec, data: Path | None, state: Path, out: Path) -> tuple[Spec, dict[str, Any]]:
    """Build the graph into ``out``, the tables that it is made of into ``state / "tables"``.

    Returns the spec as the data resolved it, and the graph's manifest. Raises SourceError and GraphError.
    """
    tables, training = state / "tables", state / "training"
    spec = spec_of(spec, ingest(spec, data, tables))
    store = open_store(_STORE, state, project_of(spec.name))
    apply(store, spec, tables, str(tables), pushed_folder(str(state), store.project))
    retrieve(store, spec, tables, training)
    return spec, build_graph(spec, tables, training, out)


def with_options(spec: Spec, texts: Sequence[str]) -> Spec:
    """The spec with options of its adapter, each given as NAME=VALUE."""
    given = {name: read_document(value) for name, _, value in (text.partition("=") for text in texts)}
    return spec.model_copy(
        update={"source": spec.source.model_copy(update={"options": {**spec.source.options, **given}})}
    )


def main() -> int:
    """Build; return 1 after an error message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="folder of the raw data; none for a simulated world")
    parser.add_argument("--out", type=Path, required=True, help="folder of the graph")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the adapter")
    options = parser.parse_args()
    try:
        spec = with_options(load_spec(options.spec), options.option)
        print(build(spec, options.data, options.out)["counts"])
    except (SpecError, SourceError, RetrievalError, GraphError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
