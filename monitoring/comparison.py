"""Comparison of two models on the same impressions: AUC of both and a paired interval of the difference."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.ahead import SEED
from monitoring.documents import plain
from monitoring.errors import PredictionsError
from monitoring.evaluation import true_probabilities
from monitoring.predictions import column, defined

NAMES = ("single-domain", "cross-domain")
CONFIDENCE = 0.95


def compare(
    spec: Spec,
    first: pd.DataFrame,
    second: pd.DataFrame,
    window: str = "test",
    scorer: str = "candidate",
    bootstraps: int = 1000,
) -> dict[str, Any]:
    """Compare two predictions (``monitoring.predictions``) of the same impressions on the primary task, as of each one.

    Returns strict JSON: ``task, window, rows, members, confidence, models`` ([{name, auc, low, high, way}] in order,
    ``way`` = (AUC - 0.5) / (oracle's AUC - 0.5)), ``oracle`` (AUC or None), ``difference`` ({auc, low, high}: second
    minus first, two-sided, from a bootstrap over members with both models on the same draws) and ``surfaces``
    ({surface: {rows, first, second}}). Raises PredictionsError if the impressions differ or the scorer is missing.
    """
    ours, theirs = (
        _aligned(spec, frame, window, scorer, name) for frame, name in zip((first, second), NAMES, strict=True)
    )
    if not ours["key"].equals(theirs["key"]) or not ours["label"].equals(theirs["label"]):
        raise PredictionsError(
            f"comparison, {window} window: expected the same impressions and labels in {NAMES[0]} and {NAMES[1]}; "
            f"found {len(ours)} and {len(theirs)} rows, {len(set(ours['key']) & set(theirs['key']))} keys in both. "
            "Evaluate both on one training set"
        )
    labels, members = ours["label"].to_numpy(), ours["member"].to_numpy()
    scores = [ours["score"].to_numpy(), theirs["score"].to_numpy()]
    ceiling = metrics.auc(labels, ours["oracle"].to_numpy()) if ours["oracle"].notna().all() else float("nan")
    areas = [metrics.auc(labels, score) for score in scores]
    bootstrap = UserBootstrap(members, bootstraps, SEED)
    draws = [bootstrap.draws("auc", labels, score) for score in scores]
    low, high = interval(draws[1] - draws[0], CONFIDENCE)
    return plain(
        {
            "task": spec.primary_task,
            "window": window,
            "rows": len(labels),
            "members": len(np.unique(members)),
            "confidence": CONFIDENCE,
            "oracle": ceiling,
            "models": [
                _model(name, area, interval(drawn, CONFIDENCE), ceiling)
                for name, area, drawn in zip(NAMES, areas, draws, strict=True)
            ],
            "difference": {"auc": areas[1] - areas[0], "low": low, "high": high},
            "surfaces": _surfaces(ours, labels, scores),
        }
    )


def _model(name: str, area: float, bounds: tuple[float, float], ceiling: float) -> dict[str, Any]:
    share = (area - 0.5) / (ceiling - 0.5) if ceiling > 0.5 else None
    return {"name": name, "auc": area, "low": bounds[0], "high": bounds[1], "way": share}


def compare_models(
    spec: Spec,
    single: tuple[Path, Path],
    cross: tuple[Path, Path],
    tables: Path | None = None,
    window: str = "test",
) -> dict[str, Any]:
    """Score a window with two models, each a (graph folder, model folder), and ``compare`` them.

    ``tables``: the folder of canonical tables with the oracle of a simulated world; None leaves the oracle out.
    """
    first, second = (predict_window(spec, *model, window, tables) for model in (single, cross))
    return compare(spec, first, second, window=window)


def predict_window(
    spec: Spec, graph_folder: Path, model_folder: Path, window: str, tables: Path | None = None
) -> pd.DataFrame:
    """As-of predictions of one window by one model, with the columns that ``compare`` reads.

    Raises EvaluationError if the oracle's table lacks an impression.
    """
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.devices import best_device
    from models.training.predict import predict

    graph = TemporalGraph.load(graph_folder)
    rows = graph.seeds.rows(window)
    scores = np.asarray(predict(load_model(model_folder, best_device()), graph, rows, state="as_of", calibrated=True))
    position = rows.cpu().numpy()
    keys = graph.seeds.keys.to_pandas().to_numpy()[position]
    member = graph.seeds.member.cpu().numpy()[position]
    members = graph.keys(spec.impressions.member.node).to_pandas().to_numpy()
    labels = graph.seeds.labels.cpu().numpy()[position]
    frame = pd.DataFrame(
        {
            "key": keys,
            # a member that is not in the graph is named after the impression
            "member": [
                f"member {members[m]}" if m >= 0 else f"impression {key}" for m, key in zip(member, keys, strict=True)
            ],
            "surface": np.array(graph.schema.seeds.surfaces)[graph.seeds.surface.cpu().numpy()[position]],
            "time": pd.to_datetime(graph.seeds.time.cpu().numpy()[position], unit="us", utc=True),
            "window": window,
            "state": "as_of",
        }
    )
    for index, task in enumerate(graph.schema.seeds.tasks):
        frame[f"label_{task.name}"] = labels[:, index].astype(np.float64)
        frame[f"candidate_{task.name}"] = scores[:, index].astype(np.float64)
    if spec.oracle and tables is not None:
        frame["oracle"] = true_probabilities(spec, tables, frame["key"])
    return frame


def table(comparison: dict[str, Any]) -> str:
    """Format the comparison for a terminal."""
    first, second = comparison["models"]
    width = max(len(first["name"]), len(second["name"]), len("surface"), *map(len, comparison["surfaces"] or [""]))
    lines = [
        f"{comparison['task']} AUC, {comparison['window']} window: {comparison['rows']} impressions of "
        f"{comparison['members']} members"
    ]
    for model in (first, second):
        of_oracle = "" if model["way"] is None else f"  {model['way']:6.1%} of the oracle's AUC above 0.5"
        lines.append(f"  {model['name']:<{width}}  {_number(model['auc'])}  {_interval(model)}{of_oracle}")
    if comparison["oracle"] is not None:
        lines.append(f"  {'oracle':<{width}}  {_number(comparison['oracle'])}")
    difference = comparison["difference"]
    lines.append(
        f"  {'difference':<{width}}  {_number(difference['auc'], '+')}  {_interval(difference, '+')}  "
        f"{comparison['confidence']:.0%} interval, paired by member"
    )
    lines.append(f"  {'surface':<{width}}  {first['name']:>14}  {second['name']:>14}  {'rows':>8}")
    for surface, found in comparison["surfaces"].items():
        lines.append(
            f"  {surface:<{width}}  {_number(found['first']):>14}  {_number(found['second']):>14}  {found['rows']:>8}"
        )
    return "\n".join(lines)


def _aligned(spec: Spec, frame: pd.DataFrame, window: str, scorer: str, name: str) -> pd.DataFrame:
    """The labeled rows in order of their keys: key, member, surface, label, score, oracle."""
    task = spec.primary_task
    rows = defined(spec, frame, window, "as_of", task)
    if scorer not in rows.scores:
        raise PredictionsError(
            f"comparison, {name}: expected the column {column(scorer, task)!r}; found {', '.join(map(str, frame))}"
        )
    return (
        pd.DataFrame(
            {
                "key": rows.rows["key"].to_numpy(),
                "member": rows.members,
                "surface": rows.rows["surface"].to_numpy(),
                "label": rows.labels,
                "score": rows.scores[scorer],
                "oracle": rows.scores.get("oracle", np.full(len(rows.labels), np.nan)),
            }
        )
        .sort_values("key")
        .reset_index(drop=True)
    )


def _surfaces(rows: pd.DataFrame, labels: np.ndarray, scores: list[np.ndarray]) -> dict[str, dict[str, Any]]:
    surface = rows["surface"].to_numpy()
    found = {}
    for name in sorted(set(surface.tolist())):
        here = surface == name
        first, second = (metrics.auc(labels[here], score[here]) for score in scores)
        found[str(name)] = {"rows": int(here.sum()), "first": first, "second": second}
    return found


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"


def _interval(found: dict[str, Any], sign: str = "") -> str:
    return f"[{_number(found['low'], sign)}, {_number(found['high'], sign)}]"
