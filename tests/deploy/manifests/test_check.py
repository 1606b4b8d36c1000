"""What is in deploy/kustomize is valid, and a mistake in a manifest is one line that names it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.manifests import check
from deploy.manifests.__main__ import main
from deploy.manifests.check import KUSTOMIZE, OVERLAYS, ManifestError, check_build, check_templates

MONITOR: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "one"},
    "spec": {"selector": {}, "podMetricsEndpoints": [{"port": "http"}]},
}
ACCOUNT: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "one"}}


def folder(place: Path, *documents: dict[str, Any]) -> Path:
    """A kustomization of these documents."""
    (place / "all.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    (place / "kustomization.yaml").write_text("resources: [all.yaml]\n", encoding="utf-8")
    return place


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_is_valid(name: str) -> None:
    checked = check_build(KUSTOMIZE / name)
    assert (checked.faults, checked.notes, checked.source) == ((), (), name)
    assert checked.documents > 10


def test_the_templates_are_valid() -> None:
    assert (check_templates().faults, check_templates().documents) == ((), 6)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (ACCOUNT | {"automountServiceAccountTokens": False}, "'automountServiceAccountTokens' was unexpected"),
        (ACCOUNT | {"automountServiceAccountToken": "no"}, "automountServiceAccountToken: 'no' is not"),
        (MONITOR | {"spec": {**MONITOR["spec"], "podTargetLabel": []}}, 'unknown field ".spec.podTargetLabel"'),
        (MONITOR | {"spec": {"selector": {}, "podMetricsEndpoints": [{}]}}, "podMetricsEndpoints[0].port: expected a"),
        (
            MONITOR | {"metadata": {"name": "one", "label": {"a": "b"}}},
            "metadata: Additional properties are not allowed",
        ),
        (MONITOR | {"kind": "Probe"}, "Probe one: expected a kind with a schema"),
        (ACCOUNT | {"kind": "ServiceAcount"}, "ServiceAcount one: expected a kind with a schema"),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, document: dict[str, Any], found: str) -> None:
    (fault,) = check_build(folder(tmp_path, document)).faults
    assert found in fault
    assert document["kind"] in fault


def test_a_document_without_mistakes_has_no_fault(tmp_path: Path) -> None:
    assert check_build(folder(tmp_path, MONITOR, ACCOUNT)).faults == ()


@pytest.mark.parametrize("file", sorted((KUSTOMIZE / "templates").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_overlay_with_what_deployments_write_is_refused(tmp_path: Path, file: Path) -> None:
    documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    found = check_build(folder(tmp_path, *documents)).faults
    assert [fault.partition(":")[2] for fault in found] == [
        " expected no object that deployments write; found one. Leave it to `python -m serving`."
    ] * len(documents)


def test_without_the_definition_a_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(check, "inference_service_schema", lambda: None)
    assert main([]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last.startswith("InferenceService: not checked, no CustomResourceDefinition at ")
    assert [line.partition(":")[0] for line in lines] == [*OVERLAYS, "templates"]


def test_the_command_fails_with_the_faults(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = folder(tmp_path, ACCOUNT | {"secret": []})
    assert main([str(given)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert "ServiceAccount one: document: Additional properties are not allowed ('secret' was unexpected)" in first
    assert last.endswith("1 documents, Kubernetes 1.37: 1 faults")
    (given / "kustomization.yaml").write_text("resource: [all.yaml]\n", encoding="utf-8")
    assert main([str(given)]) == 1
    assert 'unknown field "resource"' in capsys.readouterr().err
    with pytest.raises(ManifestError, match=r"expected a folder with a kustomization\.yaml"):
        check_build(tmp_path / "none")
