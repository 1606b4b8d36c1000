"""Study (b): what each ingredient adds, in LiGNN's order. ``python -m benchmarks.studies.ablation --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.studies.changes import WithoutFeatures
from benchmarks.studies.definition import Study
from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import PARTS, Row, states_of
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, table
from models.graph.store import TemporalGraph

FULL = "full model"
WITH_TREES, TREES_ALONE = ", with trees", ", trees alone"
PAGERANK = "with PageRank in attention"
WITHOUT_GRAPH: Mapping[str, Any] = {"graph": False, "overlap": False, "item_neighbours": False}
"""No graph tokens, no item-side neighbors: the reference that the graph has to beat."""
STEPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("+ GraphSAGE, mean of neighbours", {"graph": False}),
    ("+ attention", {"attention": False}),
    ("+ PageRank in attention", {"pagerank_attention": False}),
    ("+ edge attributes", {"edge_attributes": False}),
    ("+ separate encoders", {"separate_encoders": False}),
    ("+ ID embeddings", {"id_embeddings": False}),
    ("+ temporal encoder", {"sequence": False}),
    ("+ positions", {"positions": False}),
    ("+ time gaps", {"time_gaps": False}),
    ("+ prefix-causal mask", {"prefix_causal": False}),
    ("+ item-side neighbours", {"item_neighbours": False}),
    ("+ long-term loss", {"long_term": 0}),
    ("+ matching", {"matching": False}),
    ("+ overlap", {"overlap": False}),
    ("+ own features beside the tokens", {"profiles": False}),
    ("+ cross network", {"cross_layers": 0}),
    ("+ numbers in pieces", {"pieces": 0}),
    ("+ experts", {"experts": 0}),
    ("+ learned weights of the tasks", {"task_weighting": "fixed"}),
)
"""Ingredients in the order in which they are added (LiGNN's, arXiv 2402.11139, then ours), each with the model key that
turns it off."""
_LONG_TERM = 10


def add_options(parser: ArgumentParser) -> None:
    """Add the option that names groups of the impressions' features."""
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="NAME=PATTERN",
        help="a row without the impressions' features whose names contain the pattern: collaborative=^watched_",
    )


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """Cumulative rows from counters and both sides' features to the full network, then variants with one change.

    The full model, those without the graph and those without a group of features are fitted with trees beside the
    network too.
    """
    model, alone, pair = setting.model, {"trees": False}, {"trees": True}
    steps = [(name, off) for name, off in STEPS if replace(model, **off) != model]
    off = {key: value for _, keys in steps for key, value in keys.items()}
    found = [Row("no graph, no sequence", model=alone | off)]
    for name, keys in steps[:-1]:
        off = {key: value for key, value in off.items() if key not in keys}
        found.append(Row(name, model=alone | off))
    found.append(Row(FULL, model=pair, seen=PARTS))
    if replace(model, **WITHOUT_GRAPH) != model:
        found.append(Row("without graph", model=pair | dict(WITHOUT_GRAPH), seen=PARTS))
    left_out: dict[str, Mapping[str, Any]] = {
        "without temporal encoder": {"sequence": False, "matching": False},
        "without counters and context": {"counters": False},
        "without ID embeddings": {"id_embeddings": False},
        "without edge attributes": {"edge_attributes": False},
        "with the whole prefix seen by all": {"prefix_causal": False},
    }
    found += [Row(name, model={**alone, **keys}) for name, keys in left_out.items() if replace(model, **keys) != model]
    if not model.pagerank_attention and model.attention and model.graph:
        found.append(Row(PAGERANK, model=alone | {"pagerank_attention": True}))
    if setting.training.history_events:
        found.append(Row("without pre-training on history", model=alone, training={"history_events": 0}))
    if not model.long_term and model.activities > _LONG_TERM:
        longer = alone | {"long_term": _LONG_TERM}
        found.append(Row(f"with long-term loss, N2 = {_LONG_TERM}", model=longer))
    for name, pattern in _groups(options.without):
        change = WithoutFeatures(pattern)
        change(graph)  # fail on a pattern that no feature has before anything is fitted
        found.append(Row(f"without {name}", model=pair, change=change, seen=PARTS))
    return found


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """A row's own line is about its network; where there are trees beside it, there are lines with them."""
    if row.seen != PARTS:
        return {row.name: None}
    found: dict[str, dict[str, str] | None] = {
        row.name: states_of("network"),
        row.name + WITH_TREES: states_of("product"),
    }
    if row.change or row.name == FULL:  # the trees read nothing of the graph but both sides' features
        found[row.name + TREES_ALONE] = states_of("trees")
    return found


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """What is left of an ingredient's worth where trees stand beside the network."""
    whole = FULL + WITH_TREES
    others = [line for line in evaluation.lines if line.endswith((WITH_TREES, FULL, TREES_ALONE)) and line != whole]
    if whole not in evaluation.lines or not others:
        return []
    parts = [
        "## With trees beside the network",
        f"Paired difference of {whole} to each line: the worth of what it lacks.",
    ]
    for task in evaluation.truth.tasks:
        body = [
            [line, *(interval(evaluation.difference(whole, line, metric, task), signed=True) for metric in METRICS)]
            for line in others
        ]
        parts += [f"### {task}", table(["", *METRICS.values()], body)]
    return parts


def _groups(given: list[str]) -> list[tuple[str, str]]:
    found = [tuple(one.split("=", 1)) for one in given]
    if wrong := [one for one in found if len(one) != 2]:
        raise StudyError(f"--without: expected NAME=PATTERN; found {wrong[0][0]!r}")
    return [(name, pattern) for name, pattern in found]


STUDY = Study(
    name="ablation",
    title="What each ingredient adds",
    about=(
        "Above the full model: each row has the ingredients of the rows above it and one more, in the order of LiGNN, "
        "then ours; with the last ingredient it is the full model. Below: the full model with one change. All of these "
        "are networks alone; lines with trees say so."
    ),
    reference=FULL,
    rows=rows,
    add_options=add_options,
    lines=lines,
    sections=sections,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
