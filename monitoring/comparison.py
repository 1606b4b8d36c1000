"""Two models on the same impressions: AUC of both, and what the difference is worth."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.documents import plain
from monitoring.errors import PredictionsError
from monitoring.evaluation import true_probabilities
from monitoring.measure import SEED
from monitoring.predictions import column, defined


def compare(
    spec: Spec,
    first: pd.DataFrame,
    second: pd.DataFrame,
    names: tuple[str, str] = ("single-domain", "cross-domain"),
    task: str | None = None,
    window: str = "test",
    scorer: str = "candidate",
    bootstraps: int = 1000,
    confidence: float = 0.95,
    seed: int = SEED,
) -> dict[str, Any]:
    """Compare two predictions (``monitoring.predictions``) of the same impressions, in as-of state.

    Returns strict JSON: ``task, window, rows, members, confidence, models`` ([{name, auc, low, high, way}] in order),
    ``oracle`` (AUC or None), ``difference`` ({auc, low, high}: second minus first, two-sided, members drawn again, both
    models on the same draw) and ``surfaces`` ({surface: {rows, first, second}}). ``task`` defaults to the primary one.
    Raises PredictionsError if the two do not hold the same impressions, or lack the scorer.
    """
    task = task or spec.primary_task
    ours, theirs = (
        _aligned(spec, frame, window, task, scorer, name) for frame, name in zip((first, second), names, strict=True)
    )
    if not ours["key"].equals(theirs["key"]) or not ours["label"].equals(theirs["label"]):
        raise PredictionsError(
            f"comparison, {window} window: expected the same impressions and labels in {names[0]} and {names[1]}; "
            f"found {len(ours)} and {len(theirs)} rows, {len(set(ours['key']) & set(theirs['key']))} keys in both. "
            "Evaluate both on one training set"
        )
    labels, members = ours["label"].to_numpy(), ours["member"].to_numpy()
    scores = [ours["score"].to_numpy(), theirs["score"].to_numpy()]
    ceiling = metrics.auc(labels, ours["oracle"].to_numpy()) if ours["oracle"].notna().all() else float("nan")
    areas = [metrics.auc(labels, score) for score in scores]
    bootstrap = UserBootstrap(members, bootstraps, seed)
    draws = [bootstrap.draws("auc", labels, score) for score in scores]
    intervals = [interval(drawn) for drawn in draws]
    low, high = interval(draws[1] - draws[0], confidence)
    return plain(
        {
            "task": task,
            "window": window,
            "rows": len(labels),
            "members": len(np.unique(members)),
            "confidence": confidence,
            "oracle": ceiling,
            "models": [
                {
                    "name": name,
                    "auc": area,
                    "low": bounds[0],
                    "high": bounds[1],
                    "way": (area - 0.5) / (ceiling - 0.5) if ceiling > 0.5 else None,
                }
                for name, area, bounds in zip(names, areas, intervals, strict=True)
            ],
            "difference": {"auc": areas[1] - areas[0], "low": low, "high": high},
            "surfaces": _surfaces(ours, labels, scores),
        }
    )


def compare_models(
    spec: Spec,
    single: tuple[Path, Path],
    cross: tuple[Path, Path],
    tables: Path | None = None,
    window: str = "test",
) -> dict[str, Any]:
    """``compare`` for two models, each given as (graph folder, model folder): predicted here, as of each impression.

    ``tables``: the folder of canonical tables, for the oracle of a simulated world; None leaves it out.
    """
    first, second = (predict_window(spec, *model, window, tables) for model in (single, cross))
    return compare(spec, first, second, window=window)


def predict_window(
    spec: Spec, graph_folder: Path, model_folder: Path, window: str, tables: Path | None = None
) -> pd.DataFrame:
    """The as-of predictions of one window by one model, with the columns that ``compare`` reads.

    Raises EvaluationError if ``tables`` should hold the oracle and lack it for an impression.
    """
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.predict import predict

    graph = TemporalGraph.load(graph_folder)
    rows = graph.seeds.rows(window)
    scores = np.asarray(predict(load_model(model_folder), graph, rows, state="as_of", calibrated=True))
    position = rows.cpu().numpy()
    keys = graph.seeds.keys.to_pandas().to_numpy()[position]
    member = graph.seeds.member.cpu().numpy()[position]
    members = graph.keys(spec.impressions.member.node).to_pandas().to_numpy()
    labels = graph.seeds.labels.cpu().numpy()[position]
    frame = pd.DataFrame(
        {
            "key": keys,
            # a member that the graph does not know is known by the impression
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
    """The comparison as text for a terminal."""
    first, second = comparison["models"]
    width = max(len(first["name"]), len(second["name"]), len("surface"), *map(len, comparison["surfaces"] or [""]))
    lines = [
        f"{comparison['task']} AUC, {comparison['window']} window: {comparison['rows']} impressions of "
        f"{comparison['members']} members"
    ]
    for model in (first, second):
        way = "" if model["way"] is None else f"  {model['way']:6.1%} of the way to the oracle"
        lines.append(f"  {model['name']:<{width}}  {_number(model['auc'])}  {_interval(model)}{way}")
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


def _aligned(spec: Spec, frame: pd.DataFrame, window: str, task: str, scorer: str, name: str) -> pd.DataFrame:
    """key, member, surface, label, score, oracle of the defined rows, in the order of their keys."""
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
