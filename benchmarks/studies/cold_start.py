"""Study (d): members and items with little history. ``python -m benchmarks.studies.cold_start --graph FOLDER``."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from torch import Tensor

from benchmarks.studies import counted
from benchmarks.studies.ablation import FULL, WITHOUT_GRAPH
from benchmarks.studies.baselines import NETWORK, TREES
from benchmarks.studies.changes import WithoutMemberTwins, WithoutTwins
from benchmarks.studies.cold_items import ColdItems
from benchmarks.studies.cold_members import ColdMembers, Twins
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.parts import NOTHING
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import PARTS, Row, states_of
from benchmarks.studies.study import command
from benchmarks.studies.tables import METRICS, interval, number, table
from models.bootstrap import Metric
from models.graph.store import TemporalGraph

HELD_OUT, MEMBERS = ", items held out", ", members held out"
_KEPT: dict[type, Twins] = {type(None): "all", WithoutTwins: "none", WithoutMemberTwins: "items"}
_METRICS: tuple[Metric, ...] = ("auc", "gauc", "ece")


def add_options(parser: ArgumentParser) -> None:
    """Add the options: whose items and which members are held out, and which features count impressions."""
    kept = ColdItems("")
    parser.add_argument("--owner", help="node type whose items are made cold (such as author); default: none")
    parser.add_argument("--share", type=float, default=kept.share, help="share of the owners that are held out")
    parser.add_argument(
        "--history", default=kept.history, help="pattern of item features whose first version reflects behavior"
    )
    parser.add_argument("--members", type=float, default=0.0, help="share of the members that are made cold; 0 = none")
    parser.add_argument("--member-history", default=kept.history, help="the same of member features")
    parser.add_argument(
        "--unknown", action="store_true", help="nothing knows these members, as before their first vectors"
    )
    counted.add_options(parser)


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """The full model with its trees, without the graph, without ID embeddings, and without cold twins where there are
    any; each also with some items, or some members, made new."""
    found = [
        Row(FULL, model={"trees": True}, seen=PARTS),
        Row("without graph", model={"trees": True, **WITHOUT_GRAPH}),
        Row("without ID embeddings", model={"trees": True, "id_embeddings": False}),
    ]
    if graph.seeds.cold.any():
        found.append(Row("without cold twins", model={"trees": True}, change=WithoutTwins()))
    if graph.seeds.cold_member is not None:
        found.append(Row("without cold twins of members", model={"trees": True}, change=WithoutMemberTwins()))
    every = list(found)
    if options.owner:
        cold = _items(options)
        cold.cold(graph)  # fail on an unknown owner before anything is fitted
        every += [
            replace(row, name=row.name + HELD_OUT, change=replace(cold, twins=row.change is None))
            for row in found
            if row.change in (None, WithoutTwins())
        ]
    if options.members:
        every += [
            replace(row, name=row.name + MEMBERS, change=_members(options, _KEPT[type(row.change)])) for row in found
        ]
    return every


def lines(row: Row) -> dict[str, dict[str, str] | None]:
    """The full model, and its network and trees alone."""
    if row.seen != PARTS:
        return {row.name: None}
    of = next((held for held in (HELD_OUT, MEMBERS) if row.name.endswith(held)), "")
    return {
        row.name: states_of("product"),
        NETWORK + of: states_of("network"),
        TREES + of: states_of("trees"),
    }


def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
    """Metrics of the primary task on the held-out items or members and on all others."""
    parts = []
    if options.owner:
        text = (
            f"These items and their {options.owner}s have no behavioral edges; the items have no earlier impression "
            "and no counters, their IDs are unknown to every model, and they keep the first version of their features"
        )
        about = [f"items of {options.share:.0%} of all {options.owner}s held out", text, options.history]
        parts += _section(evaluation, "cold items", HELD_OUT, about, _items(options).rows(graph), graph, options)
    if options.members:
        text = (
            "These members have no behavioral edges, no activities, no earlier impression, no counters and no "
            "collaborative rows, their IDs are unknown to every model, and "
        )
        text += "nothing knows them" if options.unknown else "they keep the first version of their features"
        about = [f"{options.members:.0%} of all members held out", text, options.member_history]
        parts += _section(evaluation, "cold members", MEMBERS, about, _members(options).rows(graph), graph, options)
    return parts


def _section(
    evaluation: Evaluation,
    what: str,
    suffix: str,
    about: list[str],
    rows: Tensor,
    graph: TemporalGraph,
    options: Namespace,
) -> list[str]:
    """The tables of one kind of held-out nodes, whose impressions are ``rows``, (seeds,) bool.

    ``about``: the title, the text, and the pattern of features whose first version reflects behavior.
    """
    title, text, history = about
    scored = rows[graph.seeds.rows(options.window)].numpy()
    task, reference = evaluation.truth.primary, FULL + suffix
    parts = [
        f"## {task}: {title}",
        text
        + ("" if history == NOTHING else f", except those matching `{history}`")
        + f". In brackets: paired difference to {reference}.",
    ]
    header = ["", f"{what} ({int(scored.sum()):,})", f"the others ({int((~scored).sum()):,})"]
    held_out = {held for held in (HELD_OUT, MEMBERS) if held != suffix}
    for metric in _METRICS:
        body = []
        for line in evaluation.lines:
            if any(line.endswith(held) for held in held_out):
                continue
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


def _items(options: Namespace) -> ColdItems:
    item_counts, missing = counted.counted_of(options), counted.collaborative_of(options, "item")
    return ColdItems(options.owner, options.window, options.share, options.history, item_counts, missing)


def _members(options: Namespace, twins: Twins = "all") -> ColdMembers:
    counts, missing = counted.counted_of(options), counted.collaborative_of(options, "member")
    history = options.member_history
    return ColdMembers(options.window, options.members, history, counts, missing, not options.unknown, twins)


STUDY = Study(
    name="cold_start",
    title="Cold start",
    about=(
        "Metrics by the number of earlier events of an impression's member and item. If items or members are held out: "
        "metrics as if the items of a share of all owners, or a share of all members, were new. The full model has "
        "trees beside its network."
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
