"""The whole road on the real logs, by the real command: the smoke alarms for a broken model or a leak."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from models import metrics
from serving import endpoint

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.real_logs


class Run(NamedTuple):
    """One run of the training pipeline on the real logs."""

    seconds: float
    printed: str
    scores: dict[str, Any]
    predictions: pd.DataFrame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    state = tmp_path_factory.mktemp("real") / "state"
    data = os.environ["HELIOGRAPH_KUAIRAND"]
    arguments = ["--spec", "configs/kuairand.yaml", "--data", data, "--state", str(state)]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "local", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    print(done.stdout)
    (evaluation,) = state.glob("pipeline/*/evaluate/evaluation")
    document = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    predictions = pd.read_parquet(evaluation / "predictions.parquet")
    yield Run(seconds, done.stdout, document["windows"]["test"]["scores"]["candidate"], predictions)
    endpoint.down(state)


def test_the_road_ends_in_time_at_an_endpoint(run: Run) -> None:
    assert run.seconds < 12 * 60
    assert "Promoted" in run.printed
    assert "curl " in run.printed


@pytest.mark.parametrize("task", ["click", "long_view"])
def test_the_model_is_not_broken(run: Run, task: str) -> None:
    assert run.scores[task]["auc"] >= 0.740


def test_the_model_does_not_leak(run: Run) -> None:
    """A click GAUC above .66, or other than .50 on labels shuffled within members, is a bug."""
    frozen = run.predictions[(run.predictions["window"] == "test") & (run.predictions["state"] == "frozen")]
    members, scores = frozen["member"].to_numpy(), frozen["candidate_click"].to_numpy()
    assert metrics.gauc(frozen["label_click"].to_numpy(), scores, members) < 0.66
    generator = np.random.default_rng(7)
    shuffled = []
    for _ in range(20):
        order = np.lexsort((generator.random(len(frozen)), members))
        labels = np.empty(len(frozen))
        labels[np.lexsort((np.arange(len(frozen)), members))] = frozen["label_click"].to_numpy()[order]
        shuffled.append(metrics.gauc(labels, scores, members))
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.01)
