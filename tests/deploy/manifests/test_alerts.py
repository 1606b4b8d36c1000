"""Alerts and the dashboard: every metric and label is one that is exported, promtool's unit tests, the runbook."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.monitoring_faults.table import EXPECTED
from deploy.manifests.check import KUSTOMIZE
from monitoring.page.tables import ALL
from monitoring.page.textfile import write_metrics
from monitoring.verdict import LAYERS
from tests.house import ROOT
from tests.monitoring.page.reports import day, figure, report

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RUNBOOK = re.findall(r"^### (\S+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
CASES = yaml.safe_load(Path(__file__).with_name("alert_cases.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "heliograph.json").read_text(encoding="utf-8"))
NO_FAULTS = {"heliograph_predictions_total", "heliograph_predicted_total"}
"""Counters whose growth is not a fault, and has no alert."""
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


def groups() -> dict[str, Any]:
    return dict(yaml.safe_load((KUSTOMIZE / "base" / "alerts.yaml").read_text(encoding="utf-8"))["spec"])


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups()["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    """Every query of the dashboard."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Labels by the name of a series, of the server and of metrics.prom; the server's in a process: they are global."""
    done = subprocess.run([sys.executable, "-c", EXPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, set[str]] = {}
    for line in json.loads(done.stdout):
        name, labels = re.match(r"(\w+)(?:{(.*)})? ", line).groups()  # type: ignore[union-attr]
        found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels or ""))
    path = tmp_path_factory.mktemp("metrics") / "metrics.prom"
    text = write_metrics("small", report(day("2026-11-03", figure())), path, 0).read_text(encoding="utf-8")
    for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def unknown(expression: str, exported: dict[str, set[str]]) -> list[str]:
    """The metrics, labels and values of an expression that nothing exports."""
    wrong = []
    for name, matchers in re.findall(r"\b(heliograph_\w+|up)\b(?:{(.*?)})?", expression):
        if name == "heliograph_model":  # a label: the monitors copy it from the pod
            continue
        if name != "up" and name not in exported:
            wrong.append(name)
        for label, sign, values in re.findall(r'(\w+)(!?=~?)"([^"]*)"', matchers):
            if label in ("job", "heliograph_model"):
                continue
            documented = re.sub(r"_(count|bucket)$", "", name)
            for value in values.split("|") if "$" not in values else ():
                if value != ALL and not re.search(rf'{documented}{{.*"{value}"', OPERATIONS):
                    wrong.append(f"{name}.{label}{sign}{value}")
            if label not in exported.get(name, ()):
                wrong.append(f"{name}.{label}")
    known = {"namespace", "heliograph_model"}.union(*exported.values())
    kept = {label for labels in re.findall(r"by \(([\w, ]+)\)", expression) for label in labels.split(", ")}
    return wrong + sorted(kept - known)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_reads_what_is_exported(rule: dict[str, Any], exported: dict[str, set[str]]) -> None:
    assert re.search(r"\bup{|\bheliograph_\w+", rule["expr"])
    assert unknown(rule["expr"], exported) == []
    assert rule["labels"]["severity"] in ("critical", "warning")
    kept = re.findall(r"by \(([\w, ]+)\)", rule["expr"]) or ["product, task, surface, version"]
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in kept[0]  # else it is empty in the message


def test_the_dashboard_reads_what_is_exported(exported: dict[str, set[str]]) -> None:
    found = list(expressions())
    assert len(found) > 20
    assert {expression: wrong for expression in found if (wrong := unknown(expression, exported))} == {}
    shown = {name for expression in found for name in re.findall(r"heliograph_\w+", expression)}
    assert {re.sub("_bucket$", "_count", name) for name in shown} >= {
        name for name in exported if not name.endswith(("_bucket", "_sum", "_created"))
    }


def test_what_is_not_exported_is_found(exported: dict[str, set[str]]) -> None:
    assert unknown("rate(heliograph_fallback_total[5m])", exported) == ["heliograph_fallback_total"]
    stage = "heliograph_stage_seconds_count"
    assert unknown(stage + '{stage="rank"}', exported) == [f"{stage}.stage=rank"]
    assert unknown(stage + '{stage=~"predict|rank"}', exported) == [f"{stage}.stage=~rank"]
    assert unknown('heliograph_fallbacks_total{kind="$kind"}', exported) == ["heliograph_fallbacks_total.kind"]
    assert unknown("sum by (surface, hour) (heliograph_auc)", exported) == ["hour"]


def test_every_metric_of_faults_has_an_alert(exported: dict[str, set[str]]) -> None:
    totals = {name for name in exported if name.endswith("_total")} - NO_FAULTS
    assert totals - {name for rule in rules() for name in re.findall(r"heliograph_\w+_total", rule["expr"])} == set()


def promtool(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups()), encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump({**CASES, "rule_files": ["rules.yaml"]}), encoding="utf-8")
    promtool(tmp_path, "check", "rules", "--lint-fatal", "rules.yaml")
    promtool(tmp_path, "test", "rules", "cases.yaml")


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    queries = [one.replace("$__rate_interval", "5m") for one in expressions() if "label_values" not in one]
    rules = [{"record": f"heliograph:query{place}", "expr": query} for place, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")
    promtool(tmp_path, "check", "rules", "rules.yaml")


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = [case for one in CASES["tests"] for case in one["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == {rule["alert"] for rule in rules()}


def causes() -> set[str]:
    """Every cause that a monitor's source names, and those of the table of faults."""
    found = {cause for expected in EXPECTED.values() for cause in expected.causes}
    cause = re.compile(rf"(?:{'|'.join(LAYERS)})\.[a-z][a-z0-9_]*")
    for file in sorted((ROOT / "monitoring" / "monitors").rglob("*.py")):
        texts = (node.value for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Constant))
        found |= {text for text in texts if isinstance(text, str) and cause.fullmatch(text)}
    return found


def test_every_alert_and_every_cause_has_its_section_in_the_runbook() -> None:
    assert len(RUNBOOK) == len(set(RUNBOOK))
    alerts = {section for section in RUNBOOK if section.startswith("Heliograph")}
    assert alerts == {rule["alert"] for rule in rules()}
    assert causes() - set(RUNBOOK) == set()
    assert {section.partition(".")[0] for section in set(RUNBOOK) - alerts} == set(LAYERS)
