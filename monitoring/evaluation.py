"""Evaluation of a candidate: every scorer's probability of every impression in the gate and test windows.

Models score on a GPU if there is one.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from models.spec import Spec
from models.time_units import iso
from monitoring.calibration import roc
from monitoring.documents import write_frame, write_json
from monitoring.errors import EvaluationError, SeenError
from monitoring.floor import Scores, by_window, floors, has_own_trees
from monitoring.leaks.screen import screen
from monitoring.measure import measure
from monitoring.predictions import MEMBER_STATES, WINDOWS
from monitoring.standing import standing

PREDICTIONS = "predictions.parquet"
METRICS = "metrics.json"
EMBEDDINGS = "embeddings.json"
_log = logging.getLogger(__name__)


def evaluate(
    spec: Spec,
    graph_folder: Path,
    training_set: Path,
    tables: Path,
    candidate: Path,
    champion: tuple[str, Path] | None,
    folder: Path,
    models_only: bool = False,
) -> dict[str, Any]:
    """Score the gate and test windows with candidate, champion, trees and popularity; write predictions and metrics.

    ``candidate`` is a model folder, ``champion`` a version and the folder with its judged weights. ``models_only``:
    nothing is fitted to compare with, and no column is screened, as where nothing is judged. Every row is scored as of
    its own time, and with the member's state frozen at the start of the window; a candidate's network and trees alone
    too. Popularity, and trees where the candidate has none, are fitted here (``monitoring.floor``). Writes to
    ``folder``, each atomically: ``predictions.parquet`` (``monitoring.predictions``), ``embeddings.json`` (its norms)
    and ``metrics.json`` (``monitoring.measure``; ``trees``: their weights; ``cost``: seconds to score a row with each
    part; ``standing``: ``monitoring.standing``; ``leaks``: ``monitoring.leaks``).
    Returns ``{window: {scorer: {task: {metric: value}}}}``.

    A champion that cannot score this graph (the spec has changed) or was trained on the gate window is left out: the
    metrics say why (``champion_unusable``), and the gate compares with the trees. Raises EvaluationError if graph,
    training set and tables differ in their impressions.

    ``candidate_seen_until`` in the metrics: the end of the candidate's training, microseconds UTC. In the monitoring
    pipeline the candidate is what the champion serves, so a refit may have seen days of the gate window.
    """
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.devices import best_device
    from models.training.norms import embedding_norms

    graph, as_of = TemporalGraph.load(graph_folder), _read(spec, training_set / "impressions.parquet")
    frames = {"as_of": as_of, "frozen": _read(spec, training_set / "frozen.parquet")}
    model = load_model(candidate, best_device())
    seconds: dict[str, float] = {}
    scorers = {**_score(graph, model, seconds), **({} if models_only else floors(spec, graph, model))}
    of_champion, unusable = _champion(spec, graph, champion[1]) if champion else ({}, None)
    scorers |= of_champion
    each = [(window, state) for window in WINDOWS for state in MEMBER_STATES]
    parts = [_predictions(spec, graph, frames[state], window, state, scorers) for window, state in each]
    predictions = pd.concat(parts, ignore_index=True)
    if spec.oracle:
        predictions["oracle"] = true_probabilities(spec, tables, predictions["key"])
    told: dict[str, Any] = {"champion_unusable": unusable, "trees": model.trees and model.trees.weights}
    told |= {"champion_version": champion and champion[0], "candidate_seen_until": model.seen_until}
    document = {**measure(spec, predictions), **told}
    if not models_only:
        own = model.trees if has_own_trees(model) else None
        document |= {"leaks": screen(spec, training_set), "cost": seconds if own else {}}
        document["standing"] = standing(document, own is not None, alone=own is not None and own.serve_alone)
    write_json(folder / EMBEDDINGS, embedding_norms(model, graph, spec.span("test").end))
    write_frame(folder / PREDICTIONS, predictions)
    write_json(folder / METRICS, document)
    return {window: found["scores"] for window, found in document["windows"].items()}


def roc_points(folder: Path, task: str, window: str = "test") -> tuple[list[float], list[float], list[float]]:
    """The candidate's ROC curve from a folder of ``evaluate``: false and true positive rates, thresholds."""
    predictions = pd.read_parquet(folder / PREDICTIONS)
    rows = predictions[(predictions["window"] == window) & (predictions["state"] == "as_of")]
    rows = rows[rows[f"label_{task}"].notna()]
    curve = roc(rows[f"label_{task}"].to_numpy(), rows[f"candidate_{task}"].to_numpy())
    return curve["false_positive_rate"], curve["true_positive_rate"], curve["threshold"]


def _read(spec: Spec, path: Path) -> pd.DataFrame:
    """Read the columns that evaluation needs, indexed by impression key."""
    shown = spec.impressions
    columns = [shown.key, shown.member.column, shown.item.column, shown.surface, shown.time, shown.settled, "window"]
    frame = pq.read_table(path, columns=list(dict.fromkeys(columns))).to_pandas()
    return frame.set_index(shown.key, drop=False, verify_integrity=True)


def _score(graph: Any, model: Any, seconds: dict[str, float] | None = None) -> dict[str, Scores]:
    """The calibrated probabilities of a model and of its parts; ``seconds`` gets what a row of each part took."""
    from models.training.predict import PRODUCT, predict_parts

    def predict(rows: Any, state: Any) -> dict[str, np.ndarray]:
        found = predict_parts(model, graph, rows, state=state, seconds=seconds)
        return {"candidate" if name == PRODUCT else name: part for name, part in found.items()}

    return by_window(graph, model.tasks, predict)


def _champion(spec: Spec, graph: Any, folder: Path) -> tuple[dict[str, Scores], str | None]:
    """The champion's probabilities, or none and why it cannot score this graph."""
    from models.nn.errors import EncodingError
    from models.training.artifact import load_model
    from models.training.devices import best_device
    from models.training.errors import ArtifactError
    from models.training.predict import predict

    try:
        served = load_model(folder, best_device())
        check_unseen(spec, served, "champion")
        return by_window(
            graph, served.tasks, lambda rows, state: {"champion": predict(served, graph, rows, state)}
        ), None
    except (EncodingError, ArtifactError, SeenError) as error:
        unusable = f"{type(error).__name__}: {error}".splitlines()[0]
        _log.warning("The champion cannot score this graph and is left out: %s", unusable)
        return {}, unusable


def check_unseen(spec: Spec, model: Any, name: str) -> None:
    """Raise SeenError if the model was trained on days of the gate window: its score there would be inflated."""
    start = spec.span("gate").start
    if model.seen_until > start:
        raise SeenError(
            f"{name}: expected training to end before the gate window ({iso(start)}); found {iso(model.seen_until)}. "
            "It is skipped"
        )


def _predictions(
    spec: Spec,
    graph: Any,
    frame: pd.DataFrame,
    window: str,
    state: str,
    scorers: dict[str, Scores],
) -> pd.DataFrame:
    """The predictions of one window in one member state."""
    shown = spec.impressions
    rows = graph.seeds.rows(window)
    keys = graph.seeds.keys.take(_positions(rows)).to_pandas()
    held = int((frame["window"] == window).sum())
    absent = int((~keys.isin(frame.index)).sum())
    if absent or held != len(keys):
        raise EvaluationError(
            f"{window} window, {state} state: expected the same impressions in graph and training set; found "
            f"{len(keys)} in the graph and {held} in the training set, {absent} of the graph's not in it. "
            "Build the graph from this training set"
        )
    chosen = frame.loc[keys]
    predictions = pd.DataFrame(
        {
            "key": chosen[shown.key].to_numpy(),
            "member": chosen[shown.member.column].to_numpy(),
            "item": chosen[shown.item.column].to_numpy(),
            "surface": chosen[shown.surface].to_numpy(),
            "time": chosen[shown.time].to_numpy(dtype="datetime64[us]"),
            "window": window,
            "state": state,
        }
    )
    predictions["time"] = predictions["time"].dt.tz_localize("UTC")
    tasks = [task.name for task in graph.schema.seeds.tasks]
    labels = graph.seeds.labels[rows].cpu().numpy()
    for task in spec.tasks:
        predictions[f"label_{task}"] = labels[:, tasks.index(task)].astype(np.float64)
    for scorer, scores in scorers.items():
        for task in spec.tasks:
            predictions[f"{scorer}_{task}"] = scores[window, state][task].astype(np.float64)
    return predictions


def _positions(rows: Any) -> Any:
    import pyarrow as pa

    return pa.array(rows.cpu().numpy())


def true_probabilities(spec: Spec, tables: Path, keys: pd.Series) -> np.ndarray:
    """True probabilities (rows,) of the primary label. Raises EvaluationError if an impression has none."""
    assert spec.oracle is not None
    key, probability = spec.impressions.key, spec.oracle.probability
    table = pq.read_table(tables / f"{spec.oracle.table}.parquet", columns=[key, probability]).to_pandas()
    found = keys.map(table.set_index(key)[probability]).to_numpy(dtype=np.float64)
    missing = int(np.isnan(found).sum())
    if missing:
        raise EvaluationError(
            f"table {spec.oracle.table}: expected a probability for every impression of the gate and test windows; "
            f"found none for {missing} of {len(found)} rows. Ingest the world again"
        )
    return found
