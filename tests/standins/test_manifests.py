"""deploy/: every field is one that Kubernetes knows, each ServiceAccount has one Role, and kustomize builds it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client  # type: ignore[import-untyped]

from components.train_job import NODE
from models import version
from tests.standins.manifests import DEPLOY, documents
from tests.standins.train_jobs import runtime_faults

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


def test_the_runtime_of_several_nodes_has_what_train_jobs_expect() -> None:
    """Its fields are those of the typed models; its job and its container are the ones that a TrainJob changes."""
    runtime = yaml.safe_load((DEPLOY / "trainer" / "runtime.yaml").read_text(encoding="utf-8"))
    assert runtime_faults(runtime) == []
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert job["name"] == container["name"] == NODE
    assert container["image"] == version.image("train")
    runtime["spec"]["mlPolicy"]["nodes"] = runtime["spec"]["mlPolicy"].pop("numNodes")
    assert runtime_faults(runtime) == ['unknown field ".spec.mlPolicy.nodes"']


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", ["base", "standard"])
def test_kustomize_builds_it(folder: str) -> None:
    built = subprocess.run(["kubectl", "kustomize", DEPLOY / folder], capture_output=True, text=True, check=True)
    found = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(built.stdout)}
    own = {(one["kind"], one["metadata"]["name"]) for one in documents("base") + documents("standard")}
    assert found == (
        own if folder == "standard" else own - {("Role", "heliograph-routes"), ("RoleBinding", "heliograph-routes")}
    )
