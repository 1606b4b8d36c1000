"""Alarms: every metric and label is one that the server exports, and the page says what to do."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from deploy.manifests.check import KUSTOMIZE
from tests.house import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EXPORTED = """
import inspect, json
from prometheus_client import REGISTRY, generate_latest
from serving.server import metrics
for name, make in vars(metrics).items():
    if hasattr(make, "cache_info"):
        found = make()
        if found._labelnames:
            found.labels(*["x"] * len(found._labelnames))
lines = [line for line in generate_latest(REGISTRY).decode().splitlines() if line.startswith("heliograph_")]
print(json.dumps(lines))
"""


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((KUSTOMIZE / "base" / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in document["spec"]["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Labels by the name of a series, of every metric of the server; in a process of its own: metrics are global."""
    done = subprocess.run([sys.executable, "-c", EXPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, set[str]] = {}
    for line in json.loads(done.stdout):
        name, labels = re.match(r"(\w+)(?:{(.*)})? ", line).groups()  # type: ignore[union-attr]
        found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels or ""))
    return found


def unknown(expression: str, exported: dict[str, set[str]]) -> list[str]:
    """The metrics, labels and values of an expression that the server does not export."""
    wrong = []
    for name, matchers in re.findall(r"\b(heliograph_\w+|up)\b(?:{(.*?)})?", expression):
        if name == "heliograph_model":  # a label: the monitors copy it from the pod
            continue
        if name != "up" and name not in exported:
            wrong.append(name)
        for label, value in re.findall(r'(\w+)="(\w+)"', matchers):
            if label == "job":
                continue
            if label not in exported.get(name, ()) or not re.search(
                rf'{name.removesuffix("_count")}{{.*"{value}"', OPERATIONS
            ):
                wrong.append(f"{name}.{label}={value}")
    return wrong


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alarm_reads_what_the_server_exports(rule: dict[str, Any], exported: dict[str, set[str]]) -> None:
    assert re.search(r"\bup{|\bheliograph_\w+{", rule["expr"])
    assert unknown(rule["expr"], exported) == []
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert f"`{rule['alert']}`" in OPERATIONS
    kept = re.findall(r"by \(([\w, ]+)\)", rule["expr"])
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in kept[0]  # else it is empty in the message


def test_what_the_server_does_not_export_is_found(exported: dict[str, set[str]]) -> None:
    assert unknown("rate(heliograph_fallback_total[5m])", exported) == ["heliograph_fallback_total"]
    assert unknown('heliograph_stage_seconds_count{stage="rank"}', exported) == [
        "heliograph_stage_seconds_count.stage=rank"
    ]
    assert unknown('heliograph_fallbacks_total{kind="late"}', exported) == ["heliograph_fallbacks_total.kind=late"]


def test_every_metric_of_faults_has_an_alarm(exported: dict[str, set[str]]) -> None:
    totals = {name for name in exported if name.endswith("_total")}
    assert totals - {name for rule in rules() for name in re.findall(r"heliograph_\w+_total", rule["expr"])} == set()
