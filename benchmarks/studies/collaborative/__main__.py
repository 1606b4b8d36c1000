"""``python -m benchmarks.studies.collaborative --spec FILE --data FOLDER``: the worth of collaborative features.

Trees on the columns of a product: without its collaborative ones, as configured, without each kind,
and with more: EASE, user-user, and exact user-user, which the study makes itself. The command ingests, retrieves, fits,
and writes page, figures and picture. Only the validation days are scored (windows validate and gate).
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.studies.build import prepare, with_options
from benchmarks.studies.changes import validated_longer
from benchmarks.studies.collaborative.columns import columns_of, with_exact
from benchmarks.studies.collaborative.rows import ALSO, CONFIGURED, EXACT, rows, with_kinds
from benchmarks.studies.collaborative.trees import fit_line
from benchmarks.studies.definition import Study
from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Evaluation, Truth
from benchmarks.studies.fitting import commit_of
from benchmarks.studies.report import write_report
from benchmarks.studies.study import ROOT
from benchmarks.studies.tables import values
from feature_repo.as_of import RetrievalError
from feature_repo.sources.errors import SourceError
from models.graph.errors import GraphError
from models.graph.store import TemporalGraph
from models.spec import Spec, SpecError, load_spec
from models.spec.collaborative_plans import collaborative_plans
from models.training.errors import TrainingError

_ABOUT = (
    "Trees on the product's columns, one set of parameters, fitted on train as of the impression, stopped early and "
    "scored on validate and gate. Without: no collaborative column. As configured: the spec's kinds. Then one kind "
    "left out, and one more added: ease, user_user, and exact_user_user (the mean residual of members whose exposures "
    "have a cosine of at least 0.03 with the member's, weighted by it, and the sum of weights), which is not served. "
    "The rounds are chosen on the rows that are scored, for every line alike: compare lines, not with test."
)
STUDY = Study(
    name="collaborative",
    title="What collaborative features are worth",
    about=_ABOUT,
    reference=CONFIGURED,
    rows=lambda graph, options, setting: [],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study; return 1 after an error message."""
    options = _options(argv)
    try:
        spec = with_options(load_spec(options.spec), options.option)
        if not collaborative_plans(spec):
            raise StudyError(f"{options.spec}: expected a block in collaborative; found none: add one")
        with TemporaryDirectory() as folder:
            _run(spec, options, Path(folder))
    except (SpecError, SourceError, RetrievalError, GraphError, TrainingError, StudyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(spec: Spec, options: Namespace, folder: Path) -> None:
    """Make the columns in ``folder``, fit every row, write and print."""
    also = list(dict.fromkeys(options.also))
    chosen = [row for row in rows(spec, also) if not options.rows or row.name in options.rows]
    if wrong := sorted(set(options.rows or []) - {row.name for row in chosen}):
        expected = ", ".join(row.name for row in rows(spec, also))
        raise StudyError(f"--rows: expected some of {expected}; found {', '.join(wrong)}")
    resolved, _ = prepare(with_kinds(spec, also), options.data, folder, folder / "graph")
    graph = validated_longer(TemporalGraph.load(folder / "graph"))
    truth = Truth.of(graph, "validate")
    columns = columns_of(graph, replace(resolved.model, counters=True))
    if EXACT in also:
        columns = with_exact(columns, graph, resolved, folder / "tables")
    commit, lines = options.commit or commit_of(ROOT), {}
    for row in chosen:
        lines[row.name] = fit_line(row, columns, options.seeds, commit)
        print(f"{row.name}: {sum(note['seconds'] for note in lines[row.name].notes):.0f} s", flush=True)
    evaluation = Evaluation(truth, lines, options.draws)
    path = write_report(STUDY, evaluation, [], graph, options)
    for task in truth.tasks:
        print(f"\n{task}\n{values(evaluation, list(lines), task)}")
    print(f"\npage: {path}")


def _options(argv: Sequence[str] | None) -> Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.collaborative", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--spec", type=Path, required=True, help="a product's YAML")
    parser.add_argument("--data", type=Path, help="folder of the raw data; none for a simulated world")
    parser.add_argument("--option", nargs="+", default=[], metavar="NAME=VALUE", help="of the adapter")
    parser.add_argument(
        "--also", nargs="*", choices=ALSO, default=list(ALSO), help="kinds to add, one by one (default: all of them)"
    )
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="names of rows; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="one fit of every row per seed")
    parser.add_argument("--draws", type=int, default=1000, help="draws of members behind the intervals")
    parser.add_argument("--commit", help="commit recorded in the files; default: git's current one")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of page and picture")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
