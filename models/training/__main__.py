"""``python -m models.training --graph FOLDER --out FOLDER``: fit one model, with ``--processes`` on several devices."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.configs.check import out_of_bounds
from models.configs.errors import ConfigError
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.documents import document_text, read_json
from models.graph.errors import GraphError
from models.graph.store import TemporalGraph
from models.system import system_error
from models.training.distributed import process_group, ranks
from models.training.errors import TrainingError
from models.training.fit import fit
from models.training.job import Job
from models.training.launch import launch

Config = TypeVar("Config", ModelConfig, TrainingConfig)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 after printing an error that says what to do."""
    parser = ArgumentParser(
        prog="python -m models.training",
        description="Fit a model on a stored graph. On N GPUs: --processes N, or start it with torchrun.",
    )
    parser.add_argument("--graph", type=Path, required=True, help="folder of the graph")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model artifact; replaced if it exists")
    parser.add_argument("--model", default="{}", help="ModelConfig: a JSON file, or JSON itself; default: all defaults")
    parser.add_argument("--training", default="{}", help="TrainingConfig: a JSON file, or JSON itself")
    parser.add_argument(
        "--checkpoint", help="folder or s3:// address of the checkpoint; default: `checkpoint` next to --out"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: CUDA if available")
    parser.add_argument("--processes", type=int, default=1, help="on this machine, one per GPU; default: %(default)s")
    chosen = parser.parse_args(arguments)
    try:
        model, training = read(chosen.model, ModelConfig), read(chosen.training, TrainingConfig)
        for key, expected, wrong in out_of_bounds(model, training):
            raise ConfigError(f"{key}: expected {expected}; found {wrong}")
        if chosen.processes != 1:
            leads, job = True, Job(chosen.graph, chosen.out, model, training, chosen.checkpoint)
            found = launch(job, chosen.processes, chosen.device, _print)
        else:
            with process_group(chosen.device) as device:
                leads, processes = ranks().leads, ranks().size
                graph = TemporalGraph.load(chosen.graph)
                if leads:
                    print(f"{processes} process(es) on {device.type}, {len(graph.seeds):,} seeds", flush=True)
                found = fit(graph, model, training, chosen.out, device, _print if leads else None, chosen.checkpoint)
    except (TrainingError, ConfigError, GraphError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        message = system_error(error)
        if message is None:
            raise
        print(message, file=sys.stderr)
        return 1
    if leads:
        print(f"{found['epochs']} epochs in {found['seconds']:.0f} s: {chosen.out}")
        print("Next: models.training.predict scores seeds with it, models.training.embed writes its vectors")
    return 0


def read(text: str, kind: type[Config]) -> Config:
    """A configuration from a JSON file or from JSON itself. Raises ConfigError for other text and unknown keys."""
    try:
        document = read_json(text if text.lstrip().startswith("{") else document_text(Path(text), "JSON"))
    except ValueError as error:
        raise ConfigError(f"{kind.__name__}: expected JSON; found {error}: {text}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{kind.__name__}: expected a JSON object; found {text}")
    known = [field.name for field in fields(kind)]
    if unknown := sorted(set(document) - set(known)):
        raise ConfigError(f"{kind.__name__}: expected keys out of {', '.join(known)}; found {', '.join(unknown)}")
    return kind(**document)


def _print(metrics: dict[str, float], epoch: int) -> None:
    print(f"epoch {epoch}: " + ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
