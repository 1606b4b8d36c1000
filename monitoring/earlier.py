"""Scores of earlier promoted versions on the candidate's gate window, which the gate compares with as well."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.spec import Spec
from monitoring.documents import read_json, write_frame, write_json
from monitoring.evaluation import METRICS, PREDICTIONS, check_unseen
from monitoring.predictions import version_scorer

_log = logging.getLogger(__name__)


def score_earlier(
    spec: Spec,
    graph_folder: Path,
    folder: Path,
    fetch: Mapping[str, Callable[[], Path]],
    best: str | None = None,
    say: Callable[[str], None] = _log.info,
) -> dict[str, str]:
    """Add the probabilities of earlier versions to the predictions of ``evaluation.evaluate`` in ``folder``.

    ``fetch``: by version, a function that returns the model folder with its judged weights; ``best``: the best version
    so far. A version is skipped if it cannot be fetched, cannot score this graph, or was trained on days of the gate
    window. Returns the reason by skipped version; the metrics record it too (``earlier``: scored, skipped, best).
    """
    from models.graph.store import TemporalGraph

    predictions = pd.read_parquet(folder / PREDICTIONS)
    graph = TemporalGraph.load(graph_folder) if fetch else None
    scored, skipped = [], {}
    for number, (version, fetch_model) in enumerate(fetch.items(), start=1):
        say(f"  version {version}, promoted before: {number} of {len(fetch)}")
        try:
            probabilities = _probabilities(spec, graph, fetch_model(), f"version {version}")
        except Exception as error:  # a version that is gone or has another schema must not stop the run
            skipped[version] = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")
            say(f"  version {version} is skipped: {skipped[version]}")
            continue
        here = (predictions["window"] == "gate") & (predictions["state"] == "as_of")
        keys = predictions.loc[here, "key"]  # no missing ones among them, which would make numbers of keys inexact
        for task, by_key in probabilities.items():
            predictions[f"{version_scorer(version)}_{task}"] = keys.map(by_key).astype(np.float64)
        scored.append(version)
    if scored:
        write_frame(folder / PREDICTIONS, predictions)
    document = read_json(folder / METRICS)
    write_json(folder / METRICS, {**document, "earlier": {"scored": scored, "skipped": skipped, "best": best}})
    return skipped


def _probabilities(spec: Spec, graph: Any, model_folder: Path, name: str) -> dict[str, pd.Series]:
    """Calibrated as-of probabilities of the gate window by task, indexed by impression key. Raises SeenError."""
    from models.training.artifact import load_model
    from models.training.devices import best_device
    from models.training.predict import predict

    model = load_model(model_folder, best_device())
    check_unseen(spec, model, name)
    rows = graph.seeds.rows("gate")
    found = np.asarray(predict(model, graph, rows, state="as_of", calibrated=True), dtype=np.float64)
    keys = graph.seeds.keys.take(rows.cpu().numpy()).to_pandas()
    return {task: pd.Series(column, index=keys) for task, column in zip(model.tasks, found.T, strict=True)}
