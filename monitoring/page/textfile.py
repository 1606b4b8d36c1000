"""Figures of a monitoring run for Prometheus, which cannot scrape a job that ends: a file in its text format.

Prometheus' node exporter reads such a file (its textfile collector), or a command sends it to a Pushgateway.
"""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.files import write_text
from monitoring.errors import VerdictError
from monitoring.page.tables import ALL, tasks
from monitoring.verdict import EXIT_CODES, LAYERS, Verdict

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge

METRICS = "metrics.prom"
FIGURES = {
    "ratio": ("calibration_ratio", "Predicted over observed on the newest day whose labels have settled"),
    "ratio_low": ("calibration_ratio_low", "Lower end of its 95 % interval"),
    "ratio_high": ("calibration_ratio_high", "Upper end of its 95 % interval"),
    "ctr": ("observed_rate", "Share of the settled candidates with the outcome"),
    "predicted": ("predicted_rate", "Mean probability of the settled candidates"),
    "auc": ("auc", "Realized AUC"),
}
"""Name and description of a metric by the figure's field."""


def write_metrics(product: str, report: Mapping[str, Any], path: Path, now: int) -> Path:
    """Write the figures of ``report.json`` (``monitoring.page.page``) as Prometheus' text format; return ``path``.

    ``now``: when monitoring ran, microseconds UTC. A figure that the report lacks has no series.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    gauge = _gauge(registry, "monitored_timestamp_seconds", "When monitoring ran last", ["product"])
    gauge.labels(product).set(now / 1e6)
    _add_verdict(registry, product, report)
    _add_outcomes(registry, product, report.get("outcomes") or {})
    _add_figures(registry, product, report.get("days") or [])
    return write_text(path, generate_latest(registry).decode())


def _add_verdict(registry: "CollectorRegistry", product: str, report: Mapping[str, Any]) -> None:
    try:
        verdict = Verdict.from_json(report.get("verdict") or {})
    except VerdictError:
        return
    states = ", ".join(f"{code} {state}" for state, code in EXIT_CODES.items())
    _gauge(registry, "verdict_state", f"State of the product: {states}", ["product"]).labels(product).set(
        EXIT_CODES[verdict.state]
    )
    about = _gauge(registry, "verdict", "1 for the newest verdict", ["product", "state", "cause", "action"])
    about.labels(product, verdict.state.value, verdict.cause, verdict.action).set(1)
    alarms = _gauge(registry, "alarms", "Alarms of the newest verdict by layer", ["product", "layer"])
    for layer in LAYERS:
        alarms.labels(product, layer).set(sum(alarm.layer == layer for alarm in verdict.evidence))
    try:
        judged = datetime.datetime.fromisoformat(verdict.day).replace(tzinfo=datetime.UTC)
    except ValueError:
        return
    text = "Start of the newest judged day"
    _gauge(registry, "judged_day_timestamp_seconds", text, ["product"]).labels(product).set(judged.timestamp())


def _add_outcomes(registry: "CollectorRegistry", product: str, counts: Mapping[str, Any]) -> None:
    text = "Counts of the join of the newest settled day; pending: of all that was served since it began"
    gauge = _gauge(registry, "outcomes", text, ["product", "status"])
    for status, number in counts.items():
        if isinstance(number, int):
            gauge.labels(product, status).set(number)


def _add_figures(registry: "CollectorRegistry", product: str, days: Sequence[Mapping[str, Any]]) -> None:
    labels = ["product", "task", "surface", "version"]
    gauges = {field: _gauge(registry, name, text, labels) for field, (name, text) in FIGURES.items()}
    for task in tasks(days):
        for figure in _newest(days, task):
            place = (product, task, str(figure.get("surface", ALL)), str(figure.get("version", ALL)))
            for field, gauge in gauges.items():
                if figure.get(field) is not None:
                    gauge.labels(*place).set(figure[field])


def _newest(days: Sequence[Mapping[str, Any]], task: str) -> list[Mapping[str, Any]]:
    """Figures of the newest day on which labels of the task have settled, without cohorts."""
    for day in sorted(days, key=lambda day: str(day.get("day")), reverse=True):
        figures = [figure for figure in day.get("figures") or () if figure["task"] == task and figure.get("settled")]
        if figures:
            return [figure for figure in figures if figure.get("cohort", ALL) == ALL]
    return []


def _gauge(registry: "CollectorRegistry", name: str, text: str, labels: list[str]) -> "Gauge":
    from prometheus_client import Gauge

    return Gauge(f"heliograph_{name}", text, labels, registry=registry)
