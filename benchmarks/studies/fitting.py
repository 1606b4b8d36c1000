"""Fits the rows of a study with every seed, several in parallel; existing predictions are reused.

A single fit leaves a GPU mostly idle, so ``jobs`` processes share it. If all rows are rankers, this module needs only
torch, numpy and pyarrow, so that it runs on a bare GPU machine.
"""

import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import which
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.studies.changes import validated_longer
from benchmarks.studies.errors import StudyError
from benchmarks.studies.plain_trees import PLAIN, fit_plain
from benchmarks.studies.predictions import Predictions, find, read, write
from benchmarks.studies.row import Row, Seen
from models.boosting.fit import add_trees
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.cpus import usable_cpus
from models.graph.store import TemporalGraph
from models.training.artifact import MANIFEST, load_model
from models.training.fit import fit
from models.training.predict import predict_parts

Say = Callable[[str], None]
Done = Callable[[Row, int, Callable[[], float]], Exception | None]
"""Called with a row, a seed and a future of its fit; returns the error message."""


FITTED_ON = ("train", "validate")
"""The windows that ``fit`` trains on."""


@dataclass(frozen=True)
class Setting:
    """Settings that all rows of a study share."""

    graph: Path
    predictions: Path
    """Folder of the predictions; fitted models are in its subfolder ``models``."""
    model: ModelConfig
    training: TrainingConfig
    window: str = "test"
    device: str = "cpu"
    commit: str = "unknown"
    longer: bool = False
    """Whether the gate window is used for validation too: a study has no gate."""
    networks: bool = False
    """Fit the rankers' networks only and score nothing: the rest is done where LightGBM is installed."""

    def load(self) -> TemporalGraph:
        """The graph that all rows start from."""
        graph = TemporalGraph.load(self.graph)
        return validated_longer(graph) if self.longer else graph

    def digest(self, row: Row, seed: int, graph: TemporalGraph) -> str:
        """The digest of a row's fit with that seed on the stored graph, scored on the window."""
        return row.digest(self.model, self.training, seed, str(graph.manifest["digest"]), self.window)

    def model_folder(self, row: Row, seed: int, graph: TemporalGraph) -> Path:
        """The folder of a row's fitted model, whatever window it is scored on."""
        digest = row.digest(self.model, self.training, seed, str(graph.manifest["digest"]), window="")
        return self.predictions / "models" / digest

    def network_folder(self, row: Row, seed: int, graph: TemporalGraph) -> Path:
        """The folder of the network of a row's model, which is the same with and without trees."""
        alone = replace(row, model={**row.model, "trees": False, "trees_weight": ModelConfig.trees_weight})
        return self.model_folder(alone, seed, graph)


def fit_rows(
    setting: Setting,
    rows: Sequence[Row],
    seeds: Sequence[int],
    jobs: int = 1,
    say: Say = print,
    devices: Sequence[str] = (),
) -> None:
    """Fit every (row, seed) without predictions, ``jobs`` in parallel on ``devices`` in turn (empty = the device of
    the setting). Raises StudyError at the end where some failed."""
    if setting.window in FITTED_ON:
        raise StudyError(f"window: expected one after {' and '.join(FITTED_ON)}; found {setting.window!r}")
    graph, devices = setting.load(), devices or (setting.device,)
    if jobs < len(devices):
        raise StudyError(f"jobs: expected at least one for each of {len(devices)} devices; found {jobs}")
    if not len(graph.seeds.rows(setting.window)):
        raise StudyError(f"window: expected one with impressions; found none in {setting.window!r}")
    pairs = [(row, seed) for row in rows for seed in seeds if missing(setting, graph, row, seed)]
    # Rows with the same recipe share one fit: two processes must not write the same file.
    work = list({setting.digest(row, seed, graph): (row, seed) for row, seed in pairs}.values())
    say(f"{len(rows)} rows, {len(seeds)} seeds: {len(work)} to fit on {', '.join(devices)}, {jobs} at a time")
    failed: list[str] = []

    def done(row: Row, seed: int, finish: Callable[[], float]) -> Exception | None:
        try:
            say(f"{row.name}, seed {seed}: {finish():.0f} s")
        except Exception as error:  # a failed row must not stop the others
            failed.append(f"{row.name}, seed {seed}: {type(error).__name__}: {error}")
            say(failed[-1])
            return error
        return None

    if jobs == 1:
        alone = replace(setting, device=devices[0])
        for row, seed in work:
            done(row, seed, partial(fit_row, alone, graph, row, seed))
    else:
        in_lanes([replace(setting, device=devices[lane % len(devices)]) for lane in range(jobs)], work, done)
    if failed:
        raise StudyError(f"{len(failed)} of {len(work)} fits failed; the others are kept:\n" + "\n".join(failed))


def missing(setting: Setting, graph: TemporalGraph, row: Row, seed: int) -> list[Seen]:
    """The states that this row is not yet scored with."""
    path = find(setting.predictions, setting.digest(row, seed, graph))
    return [seen for seen in row.seen if path is None or seen.name not in read(path).scores]


def fit_row(setting: Setting, graph: TemporalGraph, row: Row, seed: int) -> float:
    """Fit and score one row with one seed and write its file; return the seconds it took."""
    started = perf_counter()
    if setting.device.startswith("cuda"):
        torch.cuda.set_device(setting.device)  # CUDA graphs are captured on the current device
    model, training = row.configs(setting.model, setting.training, seed)
    digest, wanted = setting.digest(row, seed, graph), missing(setting, graph, row, seed)
    changed = row.change(graph) if row.change else graph
    if setting.networks:
        if not row.baseline:
            _fit_network(changed, (model, training), setting, setting.network_folder(row, seed, graph))
        return perf_counter() - started
    rows = changed.seeds.rows(setting.window)
    score, summary = (
        _baseline(row.baseline, changed, training, setting)
        if row.baseline
        else _ranker(
            changed,
            (model, training),
            setting,
            setting.network_folder(row, seed, graph),
            setting.model_folder(row, seed, graph),
        )
    )
    scores = {seen.name: score(rows, seen) for seen in wanted}
    path = find(setting.predictions, digest)
    before = read(path) if path else None
    note = {
        "row": row.name,
        "seed": seed,
        "window": setting.window,
        "digest": digest,
        "graph": graph.manifest["digest"],
        "recipe": row.recipe(setting.model, setting.training, seed),
        "commit": setting.commit,
        "device": _name(setting.device),
        "seconds": perf_counter() - started,
        "summary": summary,
    }
    found = Predictions(
        keys=changed.seeds.keys.take(rows.cpu().numpy()),
        tasks=tuple(task.name for task in changed.schema.seeds.tasks),
        scores={**(before.scores if before else {}), **scores},
        note=before.note if before else note,
    )
    write(setting.predictions, row.name, digest, found)
    return perf_counter() - started


Score = Callable[[torch.Tensor, Seen], np.ndarray]


def _fit_network(
    graph: TemporalGraph, configs: tuple[ModelConfig, TrainingConfig], setting: Setting, folder: Path
) -> dict[str, Any]:
    """Fit the ranker's network into ``folder``, unless it was fitted before; return the fit's summary, or {}."""
    if (folder / MANIFEST).is_file():
        return {}
    return fit(graph, *configs, folder, setting.device, checkpoint=folder.with_suffix(".checkpoint"))


def _ranker(
    graph: TemporalGraph,
    configs: tuple[ModelConfig, TrainingConfig],
    setting: Setting,
    network: Path,
    product: Path,
) -> tuple[Score, dict[str, Any]]:
    """Fit what of the ranker was not fitted before: its network in one folder, with trees beside it in the other."""
    summary, model = _fit_network(graph, configs, setting, network), configs[0]
    if model.trees and not (product / MANIFEST).is_file():
        add_trees(graph, network, model, product)
    fitted = load_model(product if model.trees else network, setting.device)
    if setting.window in fitted.training["windows"]:
        raise StudyError(f"window: expected one that the model was not fitted on; found {setting.window!r}")
    on_device = graph.to(setting.device)

    def score(rows: torch.Tensor, seen: Seen) -> np.ndarray:
        return predict_parts(fitted, on_device, rows, seen.state, lag=seen.age * 1_000_000)[seen.part]

    return score, {"history": fitted.training["selection"]["history"], **summary}


def _baseline(
    name: str, graph: TemporalGraph, training: TrainingConfig, setting: Setting
) -> tuple[Score, dict[str, Any]]:
    from models.baselines.fit import Baseline, fit_baseline

    fitted: Baseline = (
        fit_plain(graph, training) if name == PLAIN else fit_baseline(name, graph, training, setting.device)
    )

    def score(rows: torch.Tensor, seen: Seen) -> np.ndarray:
        if seen.age or seen.part != "product":
            raise StudyError(f"baseline {name}: expected to be scored whole, with fresh tokens; found {seen.name}")
        return fitted.predict(graph, rows, seen.state)

    return score, {}


def _name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"


def commit_of(folder: Path) -> str:
    """The commit checked out in ``folder``, with a plus sign where files differ from it."""
    git = ["git", "-C", str(folder)]
    if not which("git"):
        return "unknown"
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True)
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def in_lanes(settings: Sequence[Setting], work: Sequence[tuple[Row, int]], done: Done) -> None:
    """Fit ``work`` in one process per setting; a process that dies loses its current fit only and is replaced."""
    waiting = deque(work)
    threads = max(1, usable_cpus() // len(settings))

    def lane(setting: Setting) -> None:
        pool = None
        while True:
            try:
                row, seed = waiting.popleft()
            except IndexError:
                break
            pool = pool or ProcessPoolExecutor(1, get_context("spawn"), _begin, (setting, threads))
            fit = partial(_result, pool, row, seed)
            if isinstance(done(row, seed, fit), BrokenProcessPool):
                pool.shutdown()
                pool = None
        if pool:
            pool.shutdown()

    with ThreadPoolExecutor(len(settings)) as lanes:
        list(lanes.map(lane, settings))


def _result(pool: ProcessPoolExecutor, row: Row, seed: int) -> float:
    return pool.submit(_fit_row_there, row, seed).result()


_there: dict[str, Any] = {}
"""Per process: its setting and the graph, loaded once."""


def _begin(setting: Setting, threads: int) -> None:
    torch.set_num_threads(threads)
    _there.update(setting=setting, graph=setting.load())


def _fit_row_there(row: Row, seed: int) -> float:
    return fit_row(_there["setting"], _there["graph"], row, seed)
