"""Writing a study: ``NAME.md`` with its tables, ``NAME.json`` with the figures, ``NAME.svg`` with the picture."""

import json
from argparse import Namespace
from itertools import product
from pathlib import Path
from shlex import quote
from typing import Any

from benchmarks.studies.definition import Study
from benchmarks.studies.evaluation import CONFIDENCE, STATE, Estimate, Evaluation
from benchmarks.studies.picture import Panel, draw
from benchmarks.studies.tables import METRICS, by_part, differences, intervals, values
from models.graph.store import TemporalGraph

_FOLDERS = {
    **{"graph": "GRAPH", "alone_graphs": "GRAPHS", "predictions": None, "out": None, "folder": None},
    **{"data": "DATA", "device": None, "jobs": None, "only": None},
}
"""Options that affect location and speed, not results."""
_JSON = ("model", "training", "counters", "context")
"""Options that hold JSON or name a file of it."""


def write_report(
    study: Study, evaluation: Evaluation, absent: list[str], graph: TemporalGraph, options: Namespace
) -> Path:
    """Write the three files into the folder ``options.out``; return the table's path."""
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{study.name}.md"
    picture = options.out / f"{study.name}.svg"
    panels = study.panels(evaluation, options) if study.panels else against(evaluation, study.reference)
    if panels:
        draw(panels, picture)
    parts = [f"# {study.title}", study.about]
    parts += [f"![{study.title}]({picture.name})"] if panels else []
    parts += study.sections(evaluation, graph, options)
    if study.tables:
        parts += _tables(evaluation, study.reference)
    parts.append(_made(study, evaluation, absent, graph, options))
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    figures = json.dumps(_figures(evaluation, study.reference), indent=1, sort_keys=True)
    path.with_suffix(".json").write_text(figures + "\n", encoding="utf-8")
    return path


def against(evaluation: Evaluation, reference: str) -> list[Panel]:
    """Every line's paired difference to the reference, AUC and GAUC of the primary task."""
    names = [name for name in evaluation.lines if name != reference]
    if reference not in evaluation.lines or not names:
        return []
    task = evaluation.truth.primary
    return [
        Panel(
            f"{task}: {METRICS[metric]} minus that of {reference}",
            names,
            [evaluation.difference(name, reference, metric, task) for name in names],
        )
        for metric in ("auc", "gauc")
    ]


def _tables(evaluation: Evaluation, reference: str) -> list[str]:
    lines, truth, parts = list(evaluation.lines), evaluation.truth, []
    for task in truth.tasks:
        parts += [f"## {task}", "Mean ± standard deviation over seeds.", values(evaluation, lines, task)]
        parts += [f"{CONFIDENCE:.0%} intervals, bootstrap over users.", intervals(evaluation, lines, task)]
        if reference in evaluation.lines and len(lines) > 1:
            parts += [f"Paired difference to {reference}.", differences(evaluation, lines, reference, task)]
    for metric in ("auc", "gauc"):
        for task in truth.tasks if metric == "auc" else (truth.primary,):
            parts.append(f"## {task}: {METRICS[metric]} by part")
            parts.append(
                f"In brackets: in a row, the paired difference to {reference}; in a header, the number of impressions."
            )
            parts += [by_part(evaluation, lines, reference, metric, task, cut) for cut in truth.parts]
    return parts


def _made(study: Study, evaluation: Evaluation, absent: list[str], graph: TemporalGraph, options: Namespace) -> str:
    notes = [note for line in evaluation.lines.values() for note in line.notes]

    def of(key: str) -> str:
        return ", ".join(sorted({str(note[key]) for note in notes}))

    truth, frozen = evaluation.truth, [METRICS[metric] for metric, state in STATE.items() if state == "frozen"]
    items = [
        f"Window {truth.window}: {len(truth.keys):,} impressions of {len(evaluation.bootstrap.weights):,} members.",
        f"{' and '.join(frozen)}: the member's state frozen at the window's start; the rest: as of the impression.",
        f"Intervals: {CONFIDENCE:.0%}, {evaluation.draws:,} bootstrap draws of users, of the mean over seeds.",
        f"Seeds {of('seed')}. Graph {graph.manifest['digest'][:16]}. Commit {of('commit')}. Fitted on {of('device')}.",
        f"Command: `python -m benchmarks.studies.{study.name} {_arguments(options)}`",
    ]
    items += [f"Not fitted: {', '.join(absent)}."] if absent else []
    return "## How it was made\n\n" + "\n".join(f"- {item}" for item in items)


def _arguments(options: Namespace) -> str:
    """The options as given, without folder names of this machine."""
    words = []
    for name, value in vars(options).items():
        if name in _FOLDERS:
            known = _FOLDERS[name] and value is not None
            words += [f"--{name.replace('_', '-')} {_FOLDERS[name]}"] if known else []
        elif name in _JSON:
            inline = value is None or value.lstrip().startswith(("{", "["))
            given = value not in (None, "{}")
            words += [f"--{name} {quote(value if inline else Path(value).name)}"] if given else []
        elif name in ("spec", "settings") and value is not None:
            words.append(f"--{name} configs/{value.name}")
        elif isinstance(value, bool):
            words += [f"--{name.replace('_', '-')}"] if value else []
        elif name not in ("spec", "settings", "commit", "rows") and value not in (None, []):
            listed = " ".join(quote(str(one)) for one in (value if isinstance(value, list) else [value]))
            words.append(f"--{name.replace('_', '-')} {listed}")
    return " ".join(words)


def _figures(evaluation: Evaluation, reference: str) -> dict[str, Any]:
    """Line, task, metric -> value, interval and seeds; the same for its difference to the reference."""
    found: dict[str, Any] = {}
    for line, task, metric in product(evaluation.lines, evaluation.truth.tasks, METRICS):
        figures = _figure(evaluation.metric(line, metric, task))
        if reference in evaluation.lines and line != reference:
            figures["minus_reference"] = _figure(evaluation.difference(line, reference, metric, task))
        found.setdefault(line, {}).setdefault(task, {})[metric] = figures
    return found


def _figure(found: Estimate) -> dict[str, Any]:
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    plain = {name: None if value != value else value for name, value in numbers.items()}
    return {**plain, "seeds": list(found.by_seed), "rows": found.rows}
