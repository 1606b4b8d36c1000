"""Study (e): AUC against the age of the embeddings. ``python -m benchmarks.studies.freshness --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace

from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import AS_OF, FITS, Row, Seen
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS
from models.graph.store import TemporalGraph

HOUR = 3600
AGES = (0, HOUR, 6 * HOUR, 24 * HOUR, 72 * HOUR)


def add_options(parser: ArgumentParser) -> None:
    """Add the option for the ages."""
    parser.add_argument("--ages", type=int, nargs="+", default=list(AGES), help="ages of the embeddings in seconds")


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """The two fits with fresh state, scored with tokens of every age; both are shared with other studies."""
    seen = tuple(dict.fromkeys([AS_OF, *(Seen("as_of", age) for age in options.ages)]))
    return [Row(FITS["mixed"], state="mixed", seen=seen), Row(FITS["as_of"], state="as_of", seen=seen)]


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """One line per age."""
    return {line(row.name, seen.age): {AS_OF.name: seen.name} for seen in row.seen}


def line(row: str, age: int) -> str:
    """The name of a line."""
    return f"{row}, {words(age)}"


def words(age: int) -> str:
    """Format an age."""
    if not age:
        return "fresh"
    for size, unit in ((24 * HOUR, "d"), (HOUR, "h"), (60, "min")):
        if age % size == 0:
            return f"{age // size} {unit}"
    return f"{age} s"


def panels(evaluation: Evaluation, options: Namespace) -> list[Panel]:
    """The primary task's AUC by age, minus that of the same fit with fresh tokens."""
    task, ages = evaluation.truth.primary, list(dict.fromkeys([0, *options.ages]))
    return [
        Panel(
            f"{FITS[state]}, {task}: {METRICS['auc']} by age, minus fresh",
            [words(age) for age in ages],
            [evaluation.difference(line(FITS[state], age), line(FITS[state], 0), "auc", task) for age in ages],
            joined=True,
        )
        for state in ("mixed", "as_of")
        if line(FITS[state], 0) in evaluation.lines
    ]


STUDY = Study(
    name="freshness",
    title="How fresh embeddings have to be",
    about=(
        "Tokens and activities of both sides as of the given time before the impression, as if they had been pushed "
        "then; the impression's counters and context are fresh. One fit was trained for fresh and stale state, the "
        "as-of fit for fresh state only."
    ),
    reference=line(FITS["mixed"], 0),
    rows=rows,
    add_options=add_options,
    lines=lines,
    panels=panels,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
