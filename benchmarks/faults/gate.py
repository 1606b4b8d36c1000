"""The promotion gate: how it ranks, what it compares with, what else it looks at, what models may have seen of it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.faults.fault import Fault, expect
from models import metrics
from models.baselines.fit import fit_baseline
from models.bootstrap import UserBootstrap
from models.graph.fakes import HOUR, fake_graph
from models.graph.store import TemporalGraph
from models.nn.config import ModelConfig
from models.spec import Spec, load_spec
from models.training.config import TrainingConfig
from models.training.fit import fit
from monitoring.gate import judge

ROWS, MEMBERS = 27_000, 3_000


@cache
def product() -> Spec:
    """The demo's spec: click is its primary task, engage the other one."""
    return load_spec(Path(__file__).parents[2] / "configs" / "professional.yaml")


def logit(chance: np.ndarray) -> np.ndarray:
    """Log odds."""
    return np.asarray(np.log(chance / (1 - chance)))


def sigmoid(values: np.ndarray) -> np.ndarray:
    """And back."""
    return np.asarray(1 / (1 + np.exp(-values)))


def gate_window(seed: int = 0) -> pd.DataFrame:
    """Predictions of a gate window without a scorer yet; ``oracle`` and ``true_engage`` are the true chances."""
    random, span = np.random.default_rng(seed), product().span("gate")
    click = sigmoid(random.normal(-1.2, 1.1, ROWS))
    engage = sigmoid(logit(click) + random.normal(-1.3, 0.5, ROWS))
    return pd.DataFrame(
        {
            "key": np.arange(ROWS),
            "member": random.integers(0, MEMBERS, ROWS),
            "item": random.integers(0, 500, ROWS),
            "surface": random.choice(product().impressions.surfaces, ROWS),
            "time": pd.to_datetime(random.integers(span.start, span.end, ROWS), unit="us", utc=True),
            "window": "gate",
            "state": "as_of",
            "label_click": (random.random(ROWS) < click).astype(float),
            "label_engage": (random.random(ROWS) < engage).astype(float),
            "oracle": click,
            "true_engage": engage,
        }
    )


def scored(frame: pd.DataFrame, scorer: str, noise: float, seed: int) -> None:
    """Add the probabilities of a calibrated scorer that sees the true chances through noise."""
    random = np.random.default_rng(1000 + seed)
    for task, truth in (("click", frame["oracle"]), ("engage", frame["true_engage"])):
        seen = logit(truth.to_numpy()) + random.normal(0, noise, len(frame))
        frame[f"{scorer}_{task}"] = sigmoid(calibrated(seen, truth.to_numpy()))


def calibrated(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The straight line of ``seen`` that is nearest to the true log odds."""
    slope, shift = np.polyfit(seen, logit(truth), 1)
    return np.asarray(slope * seen + shift)


def ranks_rows(folder: Path) -> str:
    """13: a candidate whose scores tie half of the rows, where the champion tells them apart."""
    frame, worst = gate_window(), 0.0
    scored(frame, "champion", 0.3, 0)
    scored(frame, "floor", 1.5, 1)
    good = frame["champion_click"].to_numpy()
    places = np.argsort(np.argsort(good)) / ROWS
    random = np.random.default_rng(2)
    shapes = {
        "half on four values": np.where(places < 0.5, np.floor(places * 8) / 8, places),
        "the lower half on one value": np.where(places < 0.5, 0.2, places),
        "quantised": np.round(good, 1),
        "gaps of 1e-9 in half": np.where(places < 0.5, 0.2 + random.permutation(ROWS) * 1e-13, places),
        "float32 halves": good.astype(np.float16).astype(np.float64),
    }
    bootstrap = UserBootstrap(frame["member"].to_numpy(), 20, 3)
    labels, members = frame["label_click"].to_numpy(), np.unique(frame["member"], return_inverse=True)[1]
    times = np.asarray(bootstrap.weights)[members].astype(int)
    for name, scores in {**shapes, "continuous": good, "all equal": np.full(ROWS, 0.3)}.items():
        drawn = bootstrap.draws("auc", labels, scores)
        exact = [metrics.auc(np.repeat(labels, t), np.repeat(scores, t)) for t in times.T]
        worst = max(worst, float(np.abs(drawn - exact).max()))
        expect(worst < 1e-6, f"draws that are the AUC of the rows drawn ({name})", f"one that is off by {worst:.5f}")
    for name in ("half on four values", "the lower half on one value", "gaps of 1e-9 in half"):
        lost = metrics.auc(labels, good) - metrics.auc(labels, shapes[name])
        verdict = judge(
            product(), frame.assign(candidate_click=shapes[name], candidate_engage=frame["champion_engage"])
        )
        expect(not verdict.promoted, f"a candidate that loses {lost:.3f} AUC ({name}) to be held", verdict.reasons[0])
    return f"{len(shapes) + 2} kinds of scores, draws exact to {worst:.0e}; three worse candidates held"


def labels_of_the_gate_window(folder: Path) -> str:
    """16: outcomes that settle at or after the end of validate are turned around; nothing that is fitted may change."""
    graph = fake_graph(members=16, items=16, impressions=900)
    end, seeds = graph.schema.window("validate").end, graph.seeds
    late = (seeds.time >= end - 30 * HOUR) & (seeds.time < end)
    settled = torch.where(late, end + (torch.arange(len(seeds)) % 3) * HOUR, seeds.settled)
    turned = torch.where((settled >= end).unsqueeze(1), 1 - seeds.labels, seeds.labels)
    worlds: dict[str, TemporalGraph] = {
        "as it was": replace(graph, seeds=replace(seeds, settled=settled)),
        "turned": replace(graph, seeds=replace(seeds, settled=settled, labels=turned)),
    }
    config = TrainingConfig(epochs=3, patience=3, batch_size=64, learning_rate=0.02)
    model = ModelConfig(width=8, graph_tokens=2, activities=5, layers=1, heads=2, head_width=16)
    kinds = {
        "ranker": replace(config, state="frozen"),
        "adaptive neighbours": replace(config, adaptive_neighbours=True),
    }
    for kind, given in kinds.items():
        for name, world in worlds.items():
            fit(world, model, given, folder / kind / name, device="cpu")
        for file in ("model.safetensors", "calibration.json", "training.json"):
            first, second = ((folder / kind / name / file).read_bytes() for name in worlds)
            expect(first == second, f"{kind}: the same {file}, whatever settles in the gate window", "another one")
    rows = seeds.rows("test")
    for name in ("popularity", "trees", "dcn"):
        fitted = (fit_baseline(name, world, config, "cpu") for world in worlds.values())
        one, other = (baseline.predict(worlds["as it was"], rows) for baseline in fitted)
        expect(bool((one == other).all()), f"{name}: the same scores", f"up to {np.abs(one - other).max():.4f} apart")
    return f"{int(late.sum())} outcomes turned around: {len(kinds)} rankers and 3 baselines unchanged, bit for bit"


FAULTS = (
    Fault(13, "the gate's bootstrap ranks rows, whatever the scores are like", ranks_rows),
    Fault(16, "no outcome that settles in the gate window selects, stops or calibrates", labels_of_the_gate_window),
)
