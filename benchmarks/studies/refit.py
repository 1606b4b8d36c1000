"""Study (g): what a refit through the gate window is worth. ``python -m benchmarks.studies.refit STEP WORLD ...``.

A world is a folder. ``prepare`` makes its graph from a spec whose windows have other lengths, so that days of today's
train and validate windows play the gate and the days after it; ``fit`` fits the judged model and its refit with every
seed (on a GPU machine: it needs torch, numpy and pyarrow only); ``table`` compares both on the days after the gate.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.studies.fitting import commit_of
from benchmarks.studies.predictions import Predictions, write
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.fit import fit
from models.training.predict import predict
from models.training.refit import extended, refit

ROOT = Path(__file__).resolve().parents[2]
LINES = ("judged", "refit")
WINDOWS = ("gate", "test")
"""The gate's last day, and the days after the gate."""
PRODUCT = "product.json"
"""Configuration and first moment of the gate's last day, for a machine without pydantic."""


def prepare(spec_path: Path, data: Path | None, days: dict[str, int], world: Path) -> None:
    """Make the world's graph: the spec at ``spec_path`` with windows of ``days`` days, from the same first day."""
    from feature_repo.apply import apply
    from feature_repo.retrieve import retrieve
    from feature_repo.sources import ingest
    from feature_repo.store import open_store
    from models.graph.build import build_graph
    from models.spec import load_spec, parse_spec

    document = json.loads(load_spec(spec_path).model_dump_json(by_alias=True))
    for window, length in days.items():
        document["windows"][window]["days"] = length
    spec = parse_spec(json.dumps(document), str(spec_path))
    world.mkdir(parents=True, exist_ok=True)
    (world / "spec.json").write_text(spec.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
    ingest(spec, data, world / "tables")
    store = open_store(ROOT / "feature_repo" / "feature_store.yaml", world / "feast")
    apply(store, spec, world / "tables", world / "feast")
    retrieve(store, spec, world / "tables", world / "training")
    build_graph(spec, world / "tables", world / "training", world / "graph")
    product = {"model": asdict(spec.model), "training": asdict(spec.training), "until": spec.last_gate_day.start}
    (world / PRODUCT).write_text(json.dumps(product, indent=1), encoding="utf-8")


def fit_seed(world: Path, seed: int, device: str, commit: str) -> float:
    """Fit judged model and refit with one seed, write their predictions; return the seconds."""
    started, product = perf_counter(), json.loads((world / PRODUCT).read_text(encoding="utf-8"))
    graph, until = TemporalGraph.load(world / "graph"), product["until"]
    training = replace(TrainingConfig(**product["training"]), seed=seed)
    folders = {line: world / "models" / f"{line}_{seed}" for line in LINES}
    checkpoint = world / "models" / f"checkpoint_{seed}"
    fit(graph, ModelConfig(**product["model"]), training, folders["judged"], device, checkpoint=checkpoint)
    fitted = perf_counter() - started
    refit(graph, folders["judged"], until, folders["refit"], device, checkpoint=checkpoint)
    seconds = {"judged": fitted, "refit": perf_counter() - started - fitted}
    scored = extended(graph, until)
    for line, folder in folders.items():
        model = load_model(folder, device)
        for window in WINDOWS:
            rows = scored.seeds.rows(window)
            scores = {state: predict(model, scored, rows, state) for state in ("as_of", "frozen")}
            note = {"row": line, "seed": seed, "seconds": seconds[line], "commit": commit}
            note |= {"device": device_name(device), "graph": graph.manifest["digest"]}
            note |= {name: model.training[name] for name in ("epochs", "seeds", "until")}
            keys = scored.seeds.keys.take(rows.numpy())
            found = Predictions(keys, tuple(model.tasks), scores, note)
            write(world / "predictions", line, name_of(line, seed, window), found)
    return perf_counter() - started


def name_of(line: str, seed: int, window: str) -> str:
    """The end of a predictions file's name."""
    return f"{line}_{seed}_{window}"


def device_name(device: str) -> str:
    """What a page calls the device."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


def fit_worlds(worlds: Sequence[Path], seeds: Sequence[int], jobs: int, device: str, commit: str) -> None:
    """Fit every world with every seed, ``jobs`` at a time, each in its own process."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (2,)) as pool:
        work = {(world, seed): pool.submit(fit_seed, world, seed, device, commit) for world in worlds for seed in seeds}
        for (world, seed), done in work.items():
            print(f"{world.name}, seed {seed}: {done.result():.0f} s", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return 0."""
    parser = ArgumentParser(prog="python -m benchmarks.studies.refit", description=__doc__)
    parser.add_argument("step", choices=("prepare", "fit", "table"))
    parser.add_argument("worlds", type=Path, nargs="+", help="folders of worlds; prepare takes one")
    parser.add_argument("--spec", type=Path, help="prepare: a product's YAML")
    parser.add_argument("--data", type=Path, help="prepare: the folder of its logs, where the adapter reads one")
    parser.add_argument("--days", nargs="+", default=[], metavar="WINDOW=DAYS", help="prepare: lengths of windows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="fit: one judged model per seed")
    parser.add_argument("--jobs", type=int, default=1, help="fit: processes in parallel")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--commit", help="commit recorded in the files; default: git's current one")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="table: folder of the page")
    return _run(parser.parse_args(arguments))


def _run(options: Namespace) -> int:
    if options.step == "prepare":
        days = {window: int(length) for window, length in (one.split("=") for one in options.days)}
        prepare(options.spec, options.data, days, options.worlds[0])
    elif options.step == "fit":
        commit = options.commit or commit_of(ROOT)
        fit_worlds(options.worlds, options.seeds, options.jobs, options.device, commit)
    else:
        from benchmarks.studies.refit_page import write_page

        print(write_page(options.worlds, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
