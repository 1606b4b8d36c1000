"""The report of a run: one self-contained HTML page, written from the ledger's record whether or not the run succeeded.

It shows, as far as the record has them: the artifacts ``metrics.json``, ``predictions.parquet`` and ``drift.html``; the
notes ``verdict`` (of the gate, with ``version``), ``frozen`` (why nothing was trained), ``act`` ({kind, reason}),
``endpoint`` ({url, version, percent, curl}), ``monitoring`` (of ``watch``), ``data`` ({table: sha256}), ``graph``
({part: count}) and ``comparison``.
"""

import logging
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.columns import SAMPLED
from models.files import write_text
from models.spec import Spec
from models.time_units import SECOND
from monitoring.calibration import reliability, roc
from monitoring.documents import read_json
from monitoring.floor_view import floor_view
from monitoring.plots import COLORS, calibration_plot, curve_plot, days_plot, roc_plot, surface_plot
from monitoring.predictions import SCORERS, defined
from monitoring.record import LedgerRecord, Step
from monitoring.rendering import duration, number, percent, render
from monitoring.trained import trained_days, window_notes

INDEX, DRIFT_PAGE = "index.html", "drift.html"
COLUMNS = (
    ("auc", "AUC", "as-of state; in brackets the 95 % interval from a bootstrap over members"),
    ("log_loss", "log loss", "as-of state; nats, lower is better"),
    (
        "normalised_entropy",
        "norm. entropy",
        "log loss over that of the base rate; below 1 is better than predicting the base rate",
    ),
    ("ece", "ECE", "expected calibration error, as-of state; lower is better"),
    ("gauc", "GAUC", "AUC within a member's rows, state frozen at the window's start"),
    ("ndcg_at_10", "NDCG@10", "within a member's rows, state frozen at the window's start"),
)
_TONES = {"healthy": "good", "watch": "quiet", "roll_back": "bad", "data_fault": "bad"} | dict.fromkeys(
    ("recalibrate", "retrain"), "held"
)
"""Of the monitors' states."""
_ALARMS = 5
"""How many alarms of a verdict the headline has."""
_log = logging.getLogger(__name__)


def write_report(spec: Spec, record: LedgerRecord, folder: Path) -> Path:
    """Write ``index.html``, and Evidently's page next to it, to ``folder``; return the path of the index.

    A section whose step the run did not reach says so. A document or plot that cannot be read is left out, with a note.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drift_page = record.artifacts.get(DRIFT_PAGE)
    if drift_page is not None:
        shutil.copyfile(drift_page, folder / DRIFT_PAGE)
    try:
        page = render("report.html", _view(spec, record, drift_page is not None))
    except Exception as error:
        _log.warning("The report is written from the steps alone: %s", error)
        bare = replace(record, notes={}, artifacts={}, curves={})
        view = _view(spec, bare, drift_page is not None)
        view["problems"].append(f"Only the steps could be shown ({type(error).__name__}: {error})")
        page = render("report.html", view)
    return write_text(folder / INDEX, page)


def summary_lines(record: LedgerRecord, address: str) -> list[str]:
    """The lines that end a run on the terminal: metrics, verdict, curl command and the report's address."""
    problems: list[str] = []
    metrics = _attempt("metrics", lambda: _metrics(record), problems) or {}
    lines = _table(metrics) if metrics else []
    standing = metrics.get("standing") or {}
    lines += [standing[key] for key in ("sentence", "recommendation") if standing.get(key)]
    headline = _headline(record)
    lines += [headline["title"], *(f"  {reason}" for reason in headline["reasons"])]
    curl = (record.notes.get("endpoint") or {}).get("curl")
    if curl:
        lines.append(f"Query the endpoint: {curl}")
    return [*lines, f"Report: {address}"]


def _table(metrics: dict[str, Any]) -> list[str]:
    """The test window's metrics by task and scorer; the way to the oracle only in a world that has one."""
    found = {
        f"{task} {scorer}": scores
        for task in metrics["tasks"]
        for scorer, scores in _by_scorer(metrics, "test", task).items()
    }
    width, oracle = max([16, *map(len, found)]), any(scores["way"] is not None for scores in found.values())
    head = f"{'test window':<{width}}{'AUC':>8}{'interval':>18}{'GAUC':>8}{'log loss':>10}"
    lines = [head + f"{'to oracle':>11}" * oracle]
    for name, scores in found.items():
        interval = f"[{number(scores['auc_low'])}, {number(scores['auc_high'])}]"
        line = f"{name:<{width}}{number(scores['auc']):>8}{interval:>18}{number(scores['gauc']):>8}"
        lines.append(f"{line}{number(scores['log_loss']):>10}" + f"{percent(scores['way']):>11}" * oracle)
    return lines


def _view(spec: Spec, record: LedgerRecord, has_drift_page: bool) -> dict[str, Any]:
    """The template's variables as plain data; None or empty for a section without data."""
    problems: list[str] = []
    metrics = _attempt("metrics.json", lambda: _metrics(record), problems)
    watched = record.notes.get("monitoring") or {}
    traffic = watched.get("traffic")
    return {
        "spec": spec.name,
        "task": spec.primary_task,
        "dates": spec.windows.dates,
        "record": record,
        "headline": _headline(record),
        "trained": _attempt("days of training", lambda: trained_days(spec, record.notes.get("verdict")), problems),
        "endpoint": record.notes.get("endpoint"),
        "mlflow": _mlflow_command(record.tracking_uri),
        "metrics": metrics,
        "windows": [name for name in ("test", "gate") if metrics],
        "window_notes": window_notes(spec, metrics),
        "columns": COLUMNS,
        "colors": COLORS,
        "by_scorer": _by_scorer,
        "weights": _weights(metrics),
        "floor": _attempt("comparison with the floor", lambda: floor_view(metrics), problems),
        "leaks": (metrics or {}).get("leaks"),
        "oracle_shares": _oracle_shares(metrics, spec.primary_task),
        "surfaces": _surfaces(metrics, spec.primary_task),
        "surface_plot": _attempt("plot by surface", lambda: _surface_plot(metrics, spec.primary_task), problems),
        "plots": _attempt("ROC and calibration plots", lambda: _score_plots(spec, record), problems) or {},
        "curves": _attempt("training curves", lambda: _curves(record), problems) or [],
        "traffic": traffic,
        "days_plot": _attempt("plot by day", lambda: days_plot(traffic["days"], "days"), problems) if traffic else "",
        "served": watched.get("served"),
        "drift": watched.get("drift"),
        "drift_page": DRIFT_PAGE if has_drift_page else None,
        "data": record.notes.get("data") or {},
        "decided": record.notes.get("decided") or {},
        "sampled": record.notes.get(SAMPLED),
        "graph": record.notes.get("graph") or {},
        "comparison": record.notes.get("comparison"),
        "steps": _steps(record),
        "total": _total(record),
        "problems": problems,
    }


def _attempt(what: str, make: Callable[[], Any], problems: list[str]) -> Any:
    """Return ``make()``, or None with a line in ``problems``: the report of a broken run must still be written."""
    try:
        return make()
    except Exception as error:
        _log.warning("The report is written without %s: %s", what, error)
        problems.append(f"{what} could not be shown ({type(error).__name__}: {error})")
        return None


def _metrics(record: LedgerRecord) -> dict[str, Any] | None:
    path = record.artifacts.get("metrics.json")
    return read_json(path) if path else None


def _headline(record: LedgerRecord) -> dict[str, Any]:
    """The outcome of the run: title, reasons, and a tone (good, held, bad or quiet) for its color."""
    verdict, failure = record.notes.get("verdict"), record.failure
    endpoint = record.notes.get("endpoint") or {}
    if failure is not None:
        word = "failed" if failure.status == "failed" else "was interrupted"
        reasons = [failure.error or "No error was recorded."]
        return {"tone": "bad", "title": f"Stopped: the step “{failure.name}” {word}", "reasons": reasons}
    frozen, act = record.notes.get("frozen"), record.notes.get("act")
    if frozen is not None:
        return {"tone": "held", "title": "Frozen: nothing was trained", "reasons": [frozen]}
    if act is not None and verdict is None:
        return {"tone": "quiet", "title": f"Action: {act['kind']}", "reasons": [act["reason"]]}
    judged = (record.notes.get("monitoring") or {}).get("verdict")
    if judged and verdict is None:
        cause = f" ({judged['cause']}, since {judged['since']})" if judged["cause"] else ""
        reasons = [alarm["text"] for alarm in judged["evidence"][:_ALARMS]]
        return {"tone": _TONES[judged["state"]], "title": f"{judged['state']}{cause}".capitalize(), "reasons": reasons}
    if verdict is None:
        return {"tone": "quiet", "title": "No verdict in this run", "reasons": []}
    version = verdict.get("version", "of this run")
    if verdict["decision"] == "promote":
        percent = endpoint.get("percent", 100)
        serves = f" and serves at {endpoint['url']}" if endpoint else ""
        reasons = verdict["reasons"]
        if percent < 100:
            serves = f" and has {percent} % of the traffic at {endpoint['url']}"
            promote = f"python -m serving promote {endpoint.get('options', '')}".rstrip()
            reasons = [*reasons, f"The champion keeps the rest. Next: {promote}, or rollback."]
        word = "Promoted" if percent == 100 else "Canary"
        return {"tone": "good", "title": f"{word}: version {version} passed the gate{serves}", "reasons": reasons}
    return {"tone": "held", "title": f"Held: version {version} may not serve", "reasons": verdict["reasons"]}


def _mlflow_command(tracking_uri: str) -> str:
    if tracking_uri.startswith(("http://", "https://")):
        return f"open {tracking_uri}"
    return f"MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri {shlex.quote(tracking_uri)}"


def _by_scorer(metrics: dict[str, Any], window: str, task: str) -> dict[str, dict[str, Any]]:
    """The metrics of a task in a window by scorer, in the order of ``SCORERS``."""
    scores = metrics["windows"][window]["scores"]
    return {scorer: scores[scorer][task] for scorer in SCORERS if task in scores.get(scorer, {})}


def _weights(metrics: dict[str, Any] | None) -> list[str]:
    """The trees' weight in the candidate, a sentence each by task."""
    weights = (metrics or {}).get("trees") or {}
    return [f"{task}: the weight of the trees is {weight:g}." for task, weight in weights.items()]


def _oracle_shares(metrics: dict[str, Any] | None, task: str) -> list[dict[str, Any]]:
    """(AUC - 0.5) / (oracle's AUC - 0.5) on the test window, by scorer; [] without an oracle."""
    if metrics is None:
        return []
    found = _by_scorer(metrics, "test", task)
    return [
        {"scorer": scorer, "share": scores["way"], "width": min(max(scores["way"], 0.0), 1.0) * 100}
        for scorer, scores in found.items()
        if scores["way"] is not None and scorer != "oracle"
    ]


def _surfaces(metrics: dict[str, Any] | None, task: str) -> dict[str, dict[str, Any]]:
    """Rows, positives and AUC by scorer, of each surface of the test window."""
    if metrics is None:
        return {}
    table: dict[str, dict[str, Any]] = {}
    for scorer, found in _by_scorer(metrics, "test", task).items():
        for surface, scores in found["surfaces"].items():
            row = table.setdefault(surface, {"rows": scores["rows"], "positives": scores["positives"], "auc": {}})
            row["auc"][scorer] = scores["auc"]
    return table


def _surface_plot(metrics: dict[str, Any] | None, task: str) -> str:
    return surface_plot({surface: row["auc"] for surface, row in _surfaces(metrics, task).items()}, "surfaces")


def _score_plots(spec: Spec, record: LedgerRecord) -> dict[str, str]:
    """ROC and calibration plots of the primary task on the test window."""
    import pyarrow.parquet as pq

    path = record.artifacts.get("predictions.parquet")
    if path is None:
        return {}
    rows = defined(spec, pq.read_table(path).to_pandas(), "test", "as_of", spec.primary_task)
    finite = {scorer: scores for scorer, scores in rows.scores.items() if np.isfinite(scores).all()}
    bins = {scorer: reliability(rows.labels, scores) for scorer, scores in finite.items() if scorer != "oracle"}
    return {
        "roc": roc_plot({scorer: roc(rows.labels, scores) for scorer, scores in finite.items()}, "roc"),
        "calibration": calibration_plot(bins, "calibration"),
    }


def _curves(record: LedgerRecord) -> list[str]:
    drawn = [
        curve_plot(points, key, f"curve{index}") for index, (key, points) in enumerate(sorted(record.curves.items()))
    ]
    return [plot for plot in drawn if plot]


def _steps(record: LedgerRecord) -> list[dict[str, Any]]:
    longest = max((step.seconds or 0.0 for step in record.steps), default=0.0)
    return [
        {"step": step, "state": _state(step), "width": 100 * (step.seconds or 0.0) / longest if longest else 0.0}
        for step in record.steps
    ]


def _state(step: Step) -> str:
    if step.status == "cached":
        return "from cache"
    return step.status if step.seconds is None else duration(step.seconds)


def _total(record: LedgerRecord) -> float | None:
    """Seconds from the start of the first step to the last known end."""
    ends = [step.started / SECOND + step.seconds for step in record.steps if step.seconds is not None]
    return max(ends) - min(step.started for step in record.steps) / SECOND if ends else None
