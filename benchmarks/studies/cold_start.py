"""Study (d): members and items with little history. ``python -m benchmarks.studies.cold_start --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from benchmarks.studies import counted
from benchmarks.studies.ablation import FULL, WITHOUT_GRAPH
from benchmarks.studies.baselines import NETWORK, TREES
from benchmarks.studies.changes import WithoutTwins
from benchmarks.studies.cold_items import ColdItems
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.parts import NOTHING
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import PARTS, Row, states_of
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, number, table
from models.graph.store import TemporalGraph

HELD_OUT = ", items held out"


def add_options(parser: ArgumentParser) -> None:
    """Add the options: whose items are held out, and which features count impressions."""
    kept = ColdItems("")
    parser.add_argument("--owner", help="node type whose items are made cold (such as author); default: none")
    parser.add_argument("--share", type=float, default=kept.share, help="share of the owners that are held out")
    parser.add_argument(
        "--history", default=kept.history, help="pattern of item features whose first version reflects behavior"
    )
    counted.add_options(parser)


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """The full model with its trees, without the graph, without ID embeddings, and without cold twins where there are
    any; each also with some items made new."""
    found = [
        Row(FULL, model={"trees": True}, seen=PARTS),
        Row("without graph", model={"trees": True, **WITHOUT_GRAPH}),
        Row("without ID embeddings", model={"trees": True, "id_embeddings": False}),
    ]
    if graph.seeds.cold.any():
        found.append(Row("without cold twins", model={"trees": True}, change=WithoutTwins()))
    if options.owner:
        cold = _cold(options)
        cold.cold(graph)  # fail on an unknown owner before anything is fitted
        found += [
            replace(row, name=row.name + HELD_OUT, change=replace(cold, twins=row.change is None)) for row in found
        ]
    return found


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """The full model, and its network and trees alone."""
    if row.seen != PARTS:
        return {row.name: None}
    of = HELD_OUT if row.name.endswith(HELD_OUT) else ""
    return {
        row.name: states_of("product"),
        NETWORK + of: states_of("network"),
        TREES + of: states_of("trees"),
    }


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """Metrics of the primary task on the held-out items and on all others."""
    if not options.owner:
        return []
    scored = _cold(options).rows(graph)[graph.seeds.rows(options.window)].numpy()
    task, reference = evaluation.truth.primary, FULL + HELD_OUT
    parts = [
        f"## {task}: items of {options.share:.0%} of all {options.owner}s held out",
        f"These items and their {options.owner}s have no behavioral edges; the items have no earlier impression and no "
        "counters, their IDs are unknown to every model, and they keep the first version of their features"
        + ("" if options.history == NOTHING else f", except those matching `{options.history}`")
        + f". In brackets: paired difference to {reference}.",
    ]
    header = ["", f"cold items ({int(scored.sum()):,})", f"the others ({int((~scored).sum()):,})"]
    for metric in ("auc", "gauc"):
        body = []
        for line in evaluation.lines:
            cells = [line]
            for part in (scored, ~scored):
                value = number(evaluation.metric(line, metric, task, part).value)
                known = line != reference and reference in evaluation.lines
                gap = interval(evaluation.difference(line, reference, metric, task, part), signed=True) if known else ""
                cells.append(f"{value} ({gap})" if gap else value)
            body.append(cells)
        parts += [f"### {METRICS[metric]}", table(header, body)]
    return parts


def panels(evaluation: Evaluation, options: Namespace) -> list[Panel]:
    """The primary task's AUC by earlier events of member and item: full model minus trees, and minus no graph."""
    task = evaluation.truth.primary
    found = []
    for other in (TREES, "without graph"):
        for cut in ("earlier events of the member", "earlier events of the item"):
            parts = evaluation.truth.parts[cut]
            if FULL in evaluation.lines and other in evaluation.lines:
                gaps = [evaluation.difference(FULL, other, "auc", task, part) for part in parts.values()]
                found.append(Panel(f"{FULL} minus {other}, {task} AUC\n{cut}", list(parts), gaps))
    return found


def _cold(options: Namespace) -> ColdItems:
    item_counts, missing = counted.counted_of(options), counted.collaborative_of(options)
    return ColdItems(options.owner, options.window, options.share, options.history, item_counts, missing)


STUDY = Study(
    name="cold_start",
    title="Cold start",
    about=(
        "Metrics by the number of earlier events of an impression's member and item. If items are held out: metrics "
        "as if the items of a share of all owners were new. The full model has trees beside its network."
    ),
    reference=FULL,
    rows=rows,
    add_options=add_options,
    lines=lines,
    sections=sections,
    panels=panels,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
