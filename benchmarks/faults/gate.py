"""The promotion gate: ranking with ties, comparison with earlier versions, calibration, labels hidden from models."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.faults.fault import Fault, expect
from models import metrics
from models.baselines.fit import fit_baseline
from models.bootstrap import UserBootstrap
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.graph.fakes import HOUR, fake_graph
from models.graph.store import TemporalGraph
from models.spec import Spec, load_spec
from models.training.fit import fit
from monitoring.gate import judge

ROWS, MEMBERS = 27_000, 3_000


@cache
def product() -> Spec:
    """The demo's spec: click is the primary task, engage the other one."""
    return load_spec(Path(__file__).parents[2] / "configs" / "professional.yaml")


def logit(chance: np.ndarray) -> np.ndarray:
    """Log odds."""
    return np.asarray(np.log(chance / (1 - chance)))


def sigmoid(values: np.ndarray) -> np.ndarray:
    """The inverse of ``logit``."""
    return np.asarray(1 / (1 + np.exp(-values)))


def gate_window(seed: int = 0) -> pd.DataFrame:
    """Rows of a gate window without predictions; ``oracle`` and ``true_engage`` are the true probabilities."""
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
    """Add the probabilities of a calibrated scorer that sees the true probabilities with noise."""
    random = np.random.default_rng(1000 + seed)
    for task, truth in (("click", frame["oracle"]), ("engage", frame["true_engage"])):
        seen = logit(truth.to_numpy()) + random.normal(0, noise, len(frame))
        frame[f"{scorer}_{task}"] = sigmoid(calibrated(seen, truth.to_numpy()))


def calibrated(seen: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Fit the true log odds with a linear function of ``seen``."""
    slope, shift = np.polyfit(seen, logit(truth), 1)
    return np.asarray(slope * seen + shift)


def ranks_rows(folder: Path) -> str:
    """13: a candidate with tied scores for half of the rows, which the champion separates."""
    frame, worst = gate_window(), 0.0
    scored(frame, "champion", 0.3, 0)
    scored(frame, "trees", 1.5, 1)
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


class Retrainings:
    """A product that is retrained repeatedly; the true quality of each version is known because it is simulated."""

    def __init__(self, spec: Spec, rows: int = 12_000) -> None:
        self.spec, self.rows = spec, rows
        random = np.random.default_rng(99)
        self._truth, self._noise = random.normal(-1.2, 1.1, 200_000), random.normal(0, 1, 200_000)
        self._labels = (random.random(200_000) < sigmoid(self._truth)).astype(float)
        self._levels = np.linspace(0.2, 1.4, 25)
        self._areas = np.array([self._area(level) for level in self._levels])

    def run(self, losses: list[float], start: float = 0.755) -> list[float]:
        """The true AUC of every champion, in order; each candidate is worse than its champion by ``losses``."""
        true, promoted, best = {"1": start}, ["1"], "1"
        for number, loss in enumerate(losses, start=2):
            champion = promoted[-1]
            true[str(number)] = true[champion] - loss
            wanted = list(dict.fromkeys([champion, best, *reversed(promoted)]))[: getattr(self.spec.gate, "best_of", 1)]
            frame = self._window(number, {version: true[version] for version in wanted} | {"": true[str(number)]})
            frame = frame.rename(columns={f"version_{champion}_{t}": f"champion_{t}" for t in self.spec.tasks})
            verdict = judge(self.spec, frame, {"champion": champion}, best)
            if verdict.promoted:
                promoted.append(str(number))
                best = getattr(verdict, "best", None) or str(number)
        return [true[version] for version in promoted]

    def _window(self, seed: int, areas: dict[str, float]) -> pd.DataFrame:
        """A gate window with predictions of every version; the candidate's have no version name."""
        frame = gate_window(seed).iloc[: self.rows].copy()
        random, truth = np.random.default_rng([seed, 1]), logit(frame["oracle"].to_numpy())
        shared = random.normal(0, 1, self.rows)  # most errors of one model are shared by the next one
        for version, area in [*areas.items(), ("trees", 0.70)]:
            level = np.interp(-area, -self._areas, self._levels)
            own = np.random.default_rng([seed, int(1e6 * area)]).normal(0, 1, self.rows)
            seen = truth + level * (0.95 * shared + np.sqrt(1 - 0.95**2) * own)
            name = {"": "candidate", "trees": "trees"}.get(version, f"version_{version}")
            frame[f"{name}_click"] = sigmoid(calibrated(seen, sigmoid(truth)))
            frame[f"{name}_engage"] = frame["true_engage"]
        return frame

    def _area(self, level: float) -> float:
        return metrics.auc(self._labels, self._truth + level * self._noise)


def small_losses_do_not_add_up(folder: Path) -> str:
    """14: 24 retrainings, each a little worse than the champion, by steps of several sizes."""
    quick = product().model_copy(update={"gate": product().gate.model_copy(update={"bootstraps": 100})})
    product_again, margin, seen = Retrainings(quick), product().gate.margin, []
    for step in (0.0004, 0.001):
        found = product_again.run([step] * 24)
        lost = found[0] - min(found)
        expect(
            lost <= 1.25 * margin,
            f"24 retrainings of {step} each to lose about one margin ({margin}) at most",
            f"{len(found) - 1} promotions, true AUC {found[0]:.4f} -> {min(found):.4f}",
        )
        seen.append(f"steps of {step}: {len(found) - 1} promotions lose {lost:.4f}")
    better = product_again.run([-0.0015] * 6)
    expect(len(better) > 4, "candidates that are better to be promoted", f"{len(better) - 1} promotions of 6")
    return "; ".join([*seen, f"steps up: {len(better) - 1} promotions of 6"])


def every_task_and_its_calibration(folder: Path) -> str:
    """15: a candidate as good as the champion is promoted; the same with one property degraded is held."""
    frame = gate_window(3)
    for scorer, noise, seed in (("champion", 0.5, 0), ("candidate", 0.45, 1), ("trees", 1.5, 2)):
        scored(frame, scorer, noise, seed)
    verdict = judge(product(), frame)
    expect(verdict.promoted, "a good candidate to be promoted", verdict.reasons[0])
    click, engage = frame["candidate_click"], frame["candidate_engage"]
    random, email = np.random.default_rng(5), (frame["surface"] == frame["surface"].iloc[0]).to_numpy()
    spoiled: dict[str, dict[str, Any]] = {
        "clicks divided by 100": {"candidate_click": click / 100},
        "clicks times 1.5": {"candidate_click": (click * 1.5).clip(0, 1)},
        "clicks plus .2": {"candidate_click": (click + 0.2).clip(0, 1)},
        "clicks all near .5": {"candidate_click": 0.5 + (click - 0.5) / 1000},
        "clicks at a tenth on one surface": {"candidate_click": click.where(~email, click / 10)},
        "engage random": {"candidate_engage": random.random(ROWS) * 2 * engage.mean()},
        "engage shuffled": {"candidate_engage": random.permutation(engage)},
        "engage upside down": {"candidate_engage": 2 * engage.mean() - engage.clip(upper=2 * engage.mean())},
        "engage constant": {"candidate_engage": engage.mean()},
        "engage near zero": {"candidate_engage": engage / 1e6},
        "engage with one NaN": {"candidate_engage": engage.where(frame.index != 7)},
        "engage above 1": {"candidate_engage": engage + 1},
        "engage unknown": {"candidate_engage": None},
    }
    for name, columns in spoiled.items():
        changed = frame.assign(**columns) if name != "engage unknown" else frame.drop(columns="candidate_engage")
        verdict = judge(product(), changed)
        expect(not verdict.promoted, f"a candidate to be held: {name}", f"promoted: {verdict.reasons[0]}")
    few = frame.assign(label_engage=np.where(np.arange(ROWS) < 12, frame["label_engage"], np.nan))
    verdict = judge(product(), few)
    expect(
        verdict.promoted and "engage was not compared" in " ".join(verdict.reasons), "no data to hold nothing", "hold"
    )
    return f"{len(spoiled)} spoiled candidates held, the good one promoted, also where a task has almost no labels"


def labels_of_the_gate_window(folder: Path) -> str:
    """16: outcomes that settle at or after the end of validate are inverted; nothing that is fitted may change."""
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
        "adaptive neighbors": replace(config, adaptive_neighbours=True),
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
    Fault(13, "the gate's bootstrap ranks rows correctly for any scores", ranks_rows),
    Fault(14, "losses within the margin do not add up over promotions", small_losses_do_not_add_up),
    Fault(15, "every task and its calibration are judged, within bounds of the spec", every_task_and_its_calibration),
    Fault(16, "no outcome that settles in the gate window selects, stops or calibrates", labels_of_the_gate_window),
)
