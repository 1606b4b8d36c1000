"""The study's own sections: why one is ahead of the other, training by epoch, the log with the other negatives."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.studies.articles.rows import IDS, NETWORK, NEWCOMER, NO_AGE, PAIR, TREES, compared, explaining, lines
from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.tables import METRICS, interval, number, table
from models.bootstrap import Metric
from models.graph.store import TemporalGraph
from models.spec import Spec

ORACLE = "true appeal"
_SHOWN: Sequence[Metric] = ("auc", "gauc", "log_loss")
_WORTH = {
    "the trees beside the network": (PAIR, NETWORK),
    "the network beside the trees": (PAIR, TREES),
    "the article's age, to the newcomer's LightGBM": (NEWCOMER, NEWCOMER + NO_AGE),
    "the article's age, to the network": (NETWORK, NETWORK + NO_AGE),
    "an ID embedding of the article, to the network": (NETWORK + IDS, NETWORK),
}
_ABOUT = (
    "A simulated news site: articles are read for hours, and the log has clicks only. Four articles that are alive at "
    "the time are drawn as negatives of each click. The spec has no `model` and no `training`: the product's defaults "
    "decide. Plain LightGBM is what a newcomer would try first: its default parameters on the same columns, stopped "
    "early on validation and fitted once more on train and validate. Pair: the product's network and trees; network "
    "and trees are its parts, each alone. True appeal: the world's own, a bound of AUC and GAUC that is not "
    "calibrated. GAUC compares the rows of a reader; all negatives of a click have its time."
)


STUDY = Study(
    name="articles",
    title="An article log",
    about=_ABOUT,
    reference=NEWCOMER,
    rows=lambda graph, options, setting: compared() + explaining(),
    lines=lines,
)


def with_sections(spec: Spec, other: Evaluation) -> Study:
    """The study with its sections; ``spec``: as the data resolved it, ``other``: of the log with popular negatives."""

    def sections(evaluation: Evaluation, graph: TemporalGraph, options: Namespace) -> list[str]:
        return [*_why(evaluation), _defaults(spec), *_epochs(evaluation), *_popular(other)]

    return replace(STUDY, sections=sections)


def _defaults(spec: Spec) -> str:
    """What the product trained with, since the spec says nothing of it."""
    training, members = spec.training, spec.nodes[spec.impressions.member.node]
    items = spec.nodes[spec.impressions.item.node]
    return (
        f"The defaults here: at most {training.epochs} epochs, batches of {training.batch_size}, learning rate "
        f"{training.learning_rate:g}, {spec.model.activities} activities, trees "
        f"{'on' if spec.model.trees else 'off'}, ID buckets {members.id_buckets} for readers and {items.id_buckets} "
        "for articles."
    )


def _why(evaluation: Evaluation) -> list[str]:
    """What each ingredient is worth, paired."""
    task = evaluation.truth.primary
    body = [
        [name, *(interval(evaluation.difference(*pair, metric, task), signed=True) for metric in _SHOWN)]
        for name, pair in _WORTH.items()
        if set(pair) <= set(evaluation.lines)
    ]
    return ["## What each is worth", table(["paired difference", *(METRICS[metric] for metric in _SHOWN)], body)]


def _epochs(evaluation: Evaluation) -> list[str]:
    """The networks' validation AUC by epoch; the number of epochs is chosen by it."""
    column = f"validate_auc_{evaluation.truth.primary}"
    histories = {
        name: evaluation.lines[name].notes[0]["summary"]["history"]
        for name in (NETWORK, NETWORK + NO_AGE, NETWORK + IDS)
        if name in evaluation.lines
    }
    most = max((len(history) for history in histories.values()), default=0)
    body = [
        [name, *(number(epoch[column]) for epoch in history), *[""] * (most - len(history))]
        for name, history in histories.items()
    ]
    header = ["first seed", *(f"epoch {place + 1}" for place in range(most))]
    return ["## Validation AUC by epoch", table(header, body)]


def _popular(other: Evaluation) -> list[str]:
    """The same clicks against negatives that are as popular."""
    task = other.truth.primary
    body = [
        [
            line,
            *(number(other.metric(line, metric, task).value) for metric in _SHOWN),
            "" if line == NEWCOMER else interval(other.difference(line, NEWCOMER, "auc", task), signed=True),
        ]
        for line in other.lines
    ]
    return [
        "## Negatives drawn by popularity",
        "The same clicks, each against articles drawn in proportion to the clicks of the last six hours. Columns of "
        "the article then tell how negatives were drawn: one without a recent click is never a negative. Such an AUC "
        "says little about a page that readers see; it is here since many teams draw so.",
        table(["", *(METRICS[metric] for metric in _SHOWN), f"AUC minus that of {NEWCOMER}"], body),
    ]
