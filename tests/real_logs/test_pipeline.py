"""The pipeline on the real logs: metrics that a broken model or a leak would move."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import metrics
from tests.real_logs.run import Run

pytestmark = pytest.mark.real_logs


@pytest.fixture(scope="module")
def scores(run: Run) -> dict[str, Any]:
    """The candidate's, on the test days."""
    document = json.loads((run.made("evaluate", "evaluation") / "metrics.json").read_text(encoding="utf-8"))
    return document["windows"]["test"]["scores"]["candidate"]


def test_the_pipeline_ends_in_time_at_an_endpoint(run: Run) -> None:
    assert run.seconds < 12 * 60
    assert "Promoted" in run.printed
    assert "curl " in run.printed


@pytest.mark.parametrize("task", ["click", "long_view"])
def test_the_model_is_not_broken(scores: dict[str, Any], task: str) -> None:
    assert scores[task]["auc"] >= 0.740


def test_the_model_does_not_leak(run: Run) -> None:
    """A click GAUC above .66, or other than .50 on labels shuffled within members, is a bug."""
    predictions = pd.read_parquet(run.made("evaluate", "evaluation") / "predictions.parquet")
    frozen = predictions[(predictions["window"] == "test") & (predictions["state"] == "frozen")]
    members, click = frozen["member"].to_numpy(), frozen["candidate_click"].to_numpy()
    assert metrics.gauc(frozen["label_click"].to_numpy(), click, members) < 0.66
    generator = np.random.default_rng(7)
    shuffled = []
    for _ in range(20):
        order = np.lexsort((generator.random(len(frozen)), members))
        labels = np.empty(len(frozen))
        labels[np.lexsort((np.arange(len(frozen)), members))] = frozen["label_click"].to_numpy()[order]
        shuffled.append(metrics.gauc(labels, click, members))
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.01)
