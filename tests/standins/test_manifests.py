"""deploy/: every field is one that Kubernetes knows, each ServiceAccount has one Role, and kustomize builds it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client  # type: ignore[import-untyped]

from tests.standins.manifests import DEPLOY, documents

ACCOUNTS = ["act", "deploy", "monitor", "train"]


def unknown(value: Any, kind: str, path: str) -> Iterator[str]:
    """Fields that the Kubernetes client's model ``kind`` does not have."""
    items = re.fullmatch(r"list\[(\w+)\]", kind)
    if items is not None:
        for place, entry in enumerate(value):
            yield from unknown(entry, items[1], f"{path}[{place}]")
    elif hasattr(client, kind):
        model = getattr(client, kind)
        names = {given: name for name, given in model.attribute_map.items()}
        for field, entry in value.items():
            if field not in names:
                yield f"{path}.{field}"
            else:
                yield from unknown(entry, model.openapi_types[names[field]], f"{path}.{field}")


@pytest.mark.parametrize("folder", ["base", "standard"])
def test_every_field_is_known(folder: str) -> None:
    for document in documents(folder):
        assert list(unknown(document, f"V1{document['kind']}", document["kind"])) == []
        assert document["metadata"]["namespace"] == "heliograph"


def test_a_misspelt_field_is_found() -> None:
    (role, *_) = [document for document in documents("base") if document["kind"] == "Role"]
    role["rules"][0]["verb"] = role["rules"][0].pop("verbs")
    assert list(unknown(role, "V1Role", "Role")) == ["Role.rules[0].verb"]


def test_each_account_has_one_role_of_its_name() -> None:
    found = documents("base")
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        names = sorted(one["metadata"]["name"] for one in found if one["kind"] == kind)
        assert names == [f"heliograph-{account}" for account in ACCOUNTS]
    for binding in (one for one in found if one["kind"] == "RoleBinding"):
        name = binding["metadata"]["name"]
        assert (binding["roleRef"]["name"], [one["name"] for one in binding["subjects"]]) == (name, [name])


def rights(name: str) -> dict[str, set[str]]:
    """Verbs by resource that change or read what serves."""
    (role,) = [one for one in documents("base") if (one["kind"], one["metadata"]["name"]) == ("Role", name)]
    rules = [rule for rule in role["rules"] if rule["apiGroups"] == ["serving.kserve.io"]]
    return {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}


def test_who_only_looks_or_trains_cannot_change_what_serves() -> None:
    assert rights("heliograph-monitor") == rights("heliograph-train") == {}
    assert rights("heliograph-act") == {"inferenceservices": {"get", "list", "watch", "patch"}}
    everything = {"get", "list", "watch", "create", "patch", "delete"}
    assert rights("heliograph-deploy") == {"inferenceservices": everything}
    for document in documents("base") + documents("standard"):
        assert "*" not in str(document.get("rules", ""))


KFP = {
    ("argoproj.io", "workflowtaskresults", ""): {"create", "patch"},
    ("", "pods", ""): {"get"},
    ("", "configmaps", "kfp-launcher"): {"get"},
    ("", "secrets", "mlpipeline-minio-artifact"): {"get"},
}
"""What Kubeflow Pipelines' own containers need."""


@pytest.mark.parametrize("account", ACCOUNTS)
def test_besides_what_serves_an_account_may_do_what_kfp_needs(account: str) -> None:
    """In its own namespace: no ClusterRole, and by name where a resource holds secrets."""
    every = documents("base") + documents("standard")
    assert {one["kind"] for one in every} == {"ServiceAccount", "Role", "RoleBinding"}
    own = {("ServiceAccount", f"heliograph-{account}")}
    bound = {
        one["roleRef"]["name"] for one in every if own & {(who["kind"], who["name"]) for who in one.get("subjects", [])}
    }
    rules = [
        rule for one in every if one["kind"] == "Role" and one["metadata"]["name"] in bound for rule in one["rules"]
    ]
    found = {
        (group, resource, name): set(rule["verbs"])
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    serves = {"serving.kserve.io", "gateway.networking.k8s.io"}
    assert {key: verbs for key, verbs in found.items() if key[0] not in serves} == KFP
    assert {key[1] for key in found if key[0] in serves} == (
        {"inferenceservices", "httproutes"} if account in ("act", "deploy") else set()
    )


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", ["base", "standard"])
def test_kustomize_builds_it(folder: str) -> None:
    built = subprocess.run(["kubectl", "kustomize", DEPLOY / folder], capture_output=True, text=True, check=True)
    found = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(built.stdout)}
    own = {(one["kind"], one["metadata"]["name"]) for one in documents("base") + documents("standard")}
    assert found == (
        own if folder == "standard" else own - {("Role", "heliograph-routes"), ("RoleBinding", "heliograph-routes")}
    )
