"""The command of a study: ``fit`` runs on the GPU machine, ``table`` where the results are written."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.studies.definition import Study
from benchmarks.studies.errors import StudyError
from benchmarks.studies.evaluation import Evaluation, Line, Truth
from benchmarks.studies.fitting import Setting, commit_of, fit_rows
from benchmarks.studies.predictions import find, read
from benchmarks.studies.report import write_report
from benchmarks.studies.row import Row
from models.configs.check import out_of_bounds
from models.configs.errors import ConfigError
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.documents import DocumentError
from models.graph.errors import GraphError
from models.graph.store import TemporalGraph
from models.training.__main__ import read as read_config
from models.training.errors import TrainingError

ROOT = Path(__file__).resolve().parents[2]


def command(study: Study, arguments: Sequence[str] | None = None) -> int:
    """Run the study's command; return 0, or 1 after an error message."""
    parser = ArgumentParser(prog=f"python -m benchmarks.studies.{study.name}", description=study.title)
    parser.add_argument("--graph", type=Path, required=True, help="folder of the graph")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of the table and picture")
    parser.add_argument("--predictions", type=Path, default=ROOT / "state" / "predictions", help="folder of the fits")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="one fit of every row per seed")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="names of rows; default: all")
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", nargs="+", default=[device], help="devices; fits are distributed over them")
    parser.add_argument(
        "--jobs", type=int, help="fits to run in parallel, each in its own process; default: one per device"
    )
    parser.add_argument("--spec", type=Path, help="a product's YAML: its model and training")
    parser.add_argument(
        "--settings", type=Path, help="a YAML with `model` and `training`, which replace those of --spec"
    )
    parser.add_argument("--model", default="{}", help="ModelConfig: a JSON file, or JSON itself; default: as it is")
    parser.add_argument("--training", default="{}", help="TrainingConfig, likewise")
    parser.add_argument("--window", default="test", help="the window that is scored: test, or gate while developing")
    parser.add_argument(
        "--validate-with-gate", action="store_true", help="the gate window validates too, and is finally trained on"
    )
    parser.add_argument("--draws", type=int, default=1000, help="draws of users behind the intervals")
    parser.add_argument("--commit", help="commit recorded in the files; default: git's current one")
    parser.add_argument(
        "--only",
        choices=("networks", "fit", "table"),
        help="run only this part; networks: fit them, without trees, where LightGBM is not installed; default: all",
    )
    study.add_options(parser)
    options = parser.parse_args(arguments)
    try:
        _run(study, options)
    except (StudyError, TrainingError, ConfigError, GraphError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(study: Study, options: Namespace) -> None:
    model, training = _configs(options)
    for key, expected, found in out_of_bounds(model, training):
        raise ConfigError(f"{key}: expected {expected}; found {found}")
    setting = Setting(
        graph=options.graph,
        predictions=options.predictions,
        model=model,
        training=training,
        window=options.window,
        device=options.device[0],
        commit=options.commit or commit_of(ROOT),
        longer=options.validate_with_gate,
        networks=options.only == "networks",
    )
    graph = setting.load()
    rows = study.rows(graph, options, setting)
    names = [row.name for row in rows]
    if wrong := sorted(set(options.rows or []) - set(names)):
        raise StudyError(f"rows: expected some of {', '.join(names)}; found {', '.join(wrong)}")
    if options.only != "table":
        chosen = [row for row in rows if not options.rows or row.name in options.rows]
        fit_rows(setting, chosen, options.seeds, options.jobs or len(options.device), _say, options.device)
    if options.only in ("table", None):
        evaluation, absent = evaluate(study, setting, graph, rows, options.seeds, options.draws)
        path = write_report(study, evaluation, absent, graph, options)
        print(f"{path}: {len(evaluation.lines)} lines" + (f", without {', '.join(absent)}" if absent else ""))


def _say(text: str) -> None:
    print(text, flush=True)


def _configs(options: Namespace) -> tuple[ModelConfig, TrainingConfig]:
    given = (options.model, options.training) != ("{}", "{}")
    if given and (options.spec or options.settings):
        raise StudyError("--model, --training: cannot be combined with --spec or --settings: leave out one of them")
    if options.settings:
        return _settings(options.settings)
    if options.spec is None:
        return read_config(options.model, ModelConfig), read_config(options.training, TrainingConfig)
    from models.spec import SpecError, load_spec  # pydantic, which a GPU machine need not have

    try:
        spec = load_spec(options.spec)
    except SpecError as error:
        raise StudyError(str(error)) from error
    return spec.model, spec.training


def _settings(path: Path) -> tuple[ModelConfig, TrainingConfig]:
    """Read both from a YAML file; what it does not set has the default. Raises StudyError and ConfigError."""
    from models.yaml_documents import read_document

    try:
        found = read_document(path.read_text(encoding="utf-8"))
    except (OSError, DocumentError) as error:
        raise StudyError(f"--settings {path}: {error}") from error
    if not isinstance(found, dict) or not set(found) <= {"model", "training"}:
        raise StudyError(f"--settings {path}: expected the keys model and training; found {found!r:.200}")
    model, training = (json.dumps(found.get(key) or {}) for key in ("model", "training"))
    return read_config(model, ModelConfig), read_config(training, TrainingConfig)


def evaluate(
    study: Study, setting: Setting, graph: TemporalGraph, rows: Sequence[Row], seeds: Sequence[int], draws: int
) -> tuple[Evaluation, list[str]]:
    """The lines of all rows with predictions, and the names of (row, seed) without."""
    truth, absent = Truth.of(graph, setting.window), []
    lines: dict[str, Line] = {}
    for row in rows:
        files = {seed: find(setting.predictions, setting.digest(row, seed, graph)) for seed in seeds}
        absent += [f"{row.name} (seed {seed})" for seed, path in files.items() if path is None]
        fits = [read(path) for path in files.values() if path]
        if fits:
            for name, states in study.lines(row).items():
                line = Line.of(name, truth, fits, states or {seen.name: seen.name for seen in row.seen})
                lines[name] = lines[name].joined(line) if name in lines else line
    if not lines:
        raise StudyError(
            f"{setting.predictions}: expected predictions of this graph, configuration, window; found none: fit first"
        )
    return Evaluation(truth, lines, draws), absent
