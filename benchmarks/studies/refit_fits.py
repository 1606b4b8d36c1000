"""The fits of study (g): the judged model and its refit, and their predictions, by world and seed.

Needs torch, numpy, pyarrow and safetensors only.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.studies.predictions import Predictions, write
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.fit import fit
from models.training.predict import predict
from models.training.refit import extended, refit

LINES = ("judged", "refit")
WINDOWS = ("gate", "test")
"""The gate's last day, and the days after the gate."""
PRODUCT = "product.json"
"""File of a world: configuration, and the start of the gate's last day, for a machine without pydantic."""


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
