"""The file for Prometheus: what the report has, in a format that Prometheus reads."""

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from monitoring.page.textfile import write_metrics
from monitoring.verdict import EXIT_CODES, State
from tests.monitoring.page.reports import day, figure, report

NOW = 1_793_836_800_000_000


def samples(document: Any, folder: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    path = write_metrics("small", document, folder / "metrics.prom", NOW)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        for sample in family.samples:
            assert sample.labels.pop("product") == "small"
            found.setdefault(sample.name.removeprefix("heliograph_"), []).append((sample.labels, sample.value))
    return found


def test_verdict_outcomes_and_figures_are_exported(tmp_path: Path) -> None:
    newest = day("2026-11-03", figure(), figure("email", "12", ratio=1.5), figure(cohort="cold", ratio=9.0))
    pending = day("2026-11-04", figure(settled=0))
    found = samples(report(pending, newest, day("2026-11-01", figure(ratio=7.0))), tmp_path)
    assert found["monitored_timestamp_seconds"] == [({}, NOW / 1e6)]
    assert found["verdict_state"] == [({}, EXIT_CODES[State.RETRAIN])]
    assert found["verdict"] == [({"state": "retrain", "cause": "features.drift", "action": "retrain"}, 1)]
    assert found["judged_day_timestamp_seconds"] == [({}, 1_793_664_000)]
    assert {labels["layer"]: value for labels, value in found["alarms"]}["calibration"] == 1
    assert ({"status": "pending"}, 40) in found["outcomes"]
    whole = {"task": "click", "surface": "all", "version": "all"}
    assert found["calibration_ratio"] == [(whole, 1.2), ({**whole, "surface": "email", "version": "12"}, 1.5)]
    assert found["auc"][0] == (whole, 0.7)


def test_an_empty_report_says_only_when_it_was_made(tmp_path: Path) -> None:
    assert samples({}, tmp_path) == {"monitored_timestamp_seconds": [({}, NOW / 1e6)]}


def test_any_name_is_escaped(tmp_path: Path) -> None:
    bad = 'a"\n\\b{x="y"} 1'
    found = samples(report(day("2026-11-01", figure(bad))), tmp_path)
    assert found["calibration_ratio"][0][0]["surface"] == bad
