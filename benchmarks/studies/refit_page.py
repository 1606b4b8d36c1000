"""The page of study (g): ``refit.md`` and ``refit.json``, from the predictions of every world."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Estimate, Evaluation, Line, Truth
from benchmarks.studies.predictions import Predictions, find, read
from benchmarks.studies.refit_fits import LINES, PRODUCT, WINDOWS, name_of
from benchmarks.studies.tables import METRICS, interval, number, table
from models.bootstrap import Metric
from models.files import write_text
from models.graph.store import TemporalGraph
from models.spec import Spec, load_spec
from models.time_units import moment
from models.training.refit import extended
from monitoring.refit import JUDGED, RefitCheck, compare

SHOWN: tuple[Metric, ...] = ("auc", "gauc", "log_loss", "ece")
TITLE = "What is a refit through the gate window worth?"
ABOUT = """A promoted model is older than it need be: the days of the gate window judged it, so it was not trained on
them. With `gate.refit` it is trained once more, on those days too except the last, which checks the new weights
([model](../model.md#the-refit)). Here both models are scored on the days after the gate, which neither has seen. All
windows end early: days of today's train and validate windows play the gate and the days after it. No impression of
today's gate and test windows was trained on or scored."""


@dataclass(frozen=True)
class World:
    """One world's fits: predictions by window, line and seed, and the impressions that they score."""

    name: str
    spec: Spec
    graph: TemporalGraph
    fits: dict[str, dict[str, dict[int, Predictions]]]

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Read a world. Raises StudyError where a line was not fitted with any seed."""
        product = json.loads((folder / PRODUCT).read_text(encoding="utf-8"))
        spec, graph = load_spec(folder / "spec.json"), TemporalGraph.load(folder / "graph")
        fits: dict[str, dict[str, dict[int, Predictions]]] = {}
        for window in WINDOWS:
            for line in LINES:
                paths = {seed: find(folder / "predictions", name_of(line, seed, window)) for seed in range(1, 100)}
                fits.setdefault(window, {})[line] = {seed: read(path) for seed, path in paths.items() if path}
                if not fits[window][line]:
                    raise StudyError(f"{folder}: expected predictions of {line}; found none: run the step fit first")
        return cls(folder.name, spec, extended(graph, product["until"]), fits)

    def evaluation(self, draws: int = 1000) -> Evaluation:
        """Both models on the days after the gate."""
        truth = Truth.of(self.graph, "test")
        lines = {line: Line.of(line, truth, list(fits.values())) for line, fits in self.fits["test"].items()}
        return Evaluation(truth, lines, draws)

    def checks(self) -> dict[int, RefitCheck]:
        """By seed, what the pipeline's check on the gate's last day says, with the product's bounds."""
        found = {}
        for seed in self.fits["gate"]["refit"]:
            scored = {JUDGED: self.fits["gate"]["judged"][seed], "candidate": self.fits["gate"]["refit"][seed]}
            found[seed] = compare(self.spec, self._frame(scored))
        return found

    def _frame(self, scored: dict[str, Predictions]) -> pd.DataFrame:
        """The rows of the gate's last day as ``monitoring.refit.compare`` reads them."""
        seeds, truth = self.graph.seeds, Truth.of(self.graph, "gate")
        rows = seeds.rows("gate")
        columns: dict[str, Any] = {
            "key": truth.keys,
            "member": truth.member,
            "surface": np.array(self.graph.schema.seeds.surfaces)[seeds.surface[rows].numpy()],
            "time": pd.to_datetime(seeds.time[rows].numpy(), unit="us", utc=True),
            "window": "gate",
            "state": "as_of",
        }
        for place, task in enumerate(truth.tasks):
            columns[f"label_{task}"] = truth.labels[:, place]
            for scorer, fit in scored.items():
                columns[f"{scorer}_{task}"] = Line.of(scorer, truth, [fit]).scores["as_of"][0][:, place]
        return pd.DataFrame(columns)

    def days(self) -> str:
        """The windows, in the spec's time zone."""

        def day(time: int) -> str:
            return f"{moment(time).astimezone(self.spec.zone):%m-%d}"

        spans = {name: self.spec.span(name) for name in ("train", "validate", "gate", "test")}
        said = [f"{name} {day(span.start)} to {day(span.end - 1)}" for name, span in spans.items()]
        return ", ".join(said).replace("test", "scored") + f"; checked on {day(self.spec.last_gate_day.start)}"


def write_page(worlds: list[Path], out: Path) -> Path:
    """Write the page and its figures into the folder ``out``; return the page's path."""
    parts, figures = [f"# {TITLE}", ABOUT], {}
    notes: list[dict[str, Any]] = []
    for folder in worlds:
        world = World.read(folder)
        evaluation, checks = world.evaluation(), world.checks()
        notes += [dict(fit.note) for fits in world.fits["test"].values() for fit in fits.values()]
        parts += [f"## {world.name}", f"Spec {world.spec.name}: {world.days()}.", _seeds(world)]
        parts += [
            "Refit minus judged, days after the gate; below zero is better for log loss and ECE.",
            _gains(evaluation),
        ]
        parts += ["Mean over seeds of judged and refit.", _values(evaluation)]
        parts += ["The check on the gate's last day, primary task, by seed.", _checks(world.spec, checks)]
        figures[world.name] = _figures(evaluation, checks)
    parts.append(_made(notes))
    write_text(out / "refit.json", json.dumps(figures, indent=1, sort_keys=True) + "\n")
    return write_text(out / "refit.md", "\n\n".join(parts) + "\n")


def _seeds(world: World) -> str:
    judged, refit = (int(next(iter(world.fits["test"][line].values())).note["seeds"]) for line in LINES)
    rows = len(world.graph.seeds.rows("test"))
    return f"{judged:,} impressions trained the judged weights, {refit:,} the refit; {rows:,} are scored."


def _gains(evaluation: Evaluation) -> str:
    body = [
        [task, *(interval(evaluation.difference("refit", "judged", metric, task), signed=True) for metric in SHOWN)]
        for task in evaluation.truth.tasks
    ]
    return table(["", *(METRICS[metric] for metric in SHOWN)], body)


def _values(evaluation: Evaluation) -> str:
    body = [
        [f"{task}, {line}", *(_spread(evaluation.metric(line, metric, task)) for metric in SHOWN)]
        for task in evaluation.truth.tasks
        for line in LINES
    ]
    return table(["", *(METRICS[metric] for metric in SHOWN)], body)


def _spread(found: Estimate) -> str:
    return number(found.value) + ("" if math.isnan(found.spread) else f" ± {found.spread:.4f}")


def _checks(spec: Spec, checks: dict[int, RefitCheck]) -> str:
    body = []
    for seed, found in checks.items():
        difference = found.metrics.get(spec.primary_task, {}).get("difference", {"auc": math.nan, "low": math.nan})
        figures = [number(difference[name], signed=True) for name in ("auc", "low")]
        body.append([str(seed), *figures, "refit" if found.serves else "judged"])
    return table(["seed", "difference in AUC", f"at least (margin {-spec.gate.margin:+.4f})", "serves"], body)


def _figures(evaluation: Evaluation, checks: dict[int, RefitCheck]) -> dict[str, Any]:
    found: dict[str, Any] = {"checks": {str(seed): check.to_json() for seed, check in checks.items()}}
    for task in evaluation.truth.tasks:
        for metric in METRICS:
            one = evaluation.difference("refit", "judged", metric, task)
            numbers = {"value": one.value, "low": one.low, "high": one.high}
            plain = {name: None if math.isnan(value) else value for name, value in numbers.items()}
            found.setdefault(task, {})[metric] = {**plain, "seeds": list(one.by_seed)}
    return found


def _made(notes: list[dict[str, Any]]) -> str:
    def of(key: str) -> str:
        return ", ".join(sorted({str(note[key]) for note in notes}))

    seconds = {line: np.mean([note["seconds"] for note in notes if note["row"] == line]) for line in LINES}
    graphs = ", ".join(sorted({str(note["graph"])[:16] for note in notes}))
    items = [
        f"{METRICS['gauc']}: the member's state frozen at the window's start; the rest: as of the impression. "
        "Intervals: 95 %, 1,000 bootstrap draws of members, paired, of the mean over seeds.",
        f"Seeds {of('seed')}. Graphs {graphs}. Commit {of('commit')}. Fitted on {of('device')}: on average "
        f"{seconds['judged']:.0f} s for the judged model, {seconds['refit']:.0f} s for the refit, three at a time.",
        "Commands: `python -m benchmarks.studies.refit prepare WORLD --spec SPEC [--data DATA] --days WINDOW=DAYS ...`,"
        " then `... fit WORLD ... --jobs 3` and `... table WORLD ...`. Days: professional `graph=26 train=14 validate=4"
        " gate=3 test=4`, kuairand `graph=1 train=4 validate=1 gate=3 test=2`, kuairand_later `graph=1 train=6"
        " validate=1 gate=2 test=1`.",
    ]
    return "## How it was made\n\n" + "\n".join(f"- {item}" for item in items)
