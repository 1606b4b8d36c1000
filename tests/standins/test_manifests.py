"""deploy/kustomize: each ServiceAccount has one Role, with what its runs need."""

import pytest
import yaml

from components.train_job import NODE
from models import version
from tests.standins.manifests import KUSTOMIZE, access
from tests.standins.train_jobs import runtime_faults

ACCOUNTS = ["act", "deploy", "monitor", "train"]


def test_each_account_has_one_role_of_its_name() -> None:
    found = access("base")
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        names = sorted(one["metadata"]["name"] for one in found if one["kind"] == kind)
        assert names == [f"heliograph-{account}" for account in ACCOUNTS]
    for binding in (one for one in found if one["kind"] == "RoleBinding"):
        name = binding["metadata"]["name"]
        assert (binding["roleRef"]["name"], [one["name"] for one in binding["subjects"]]) == (name, [name])


def rights(name: str) -> dict[str, set[str]]:
    """Verbs by resource that change or read what serves."""
    (role,) = [one for one in access("base") if (one["kind"], one["metadata"]["name"]) == ("Role", name)]
    rules = [rule for rule in role["rules"] if rule["apiGroups"] == ["serving.kserve.io"]]
    return {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}


def test_who_only_looks_or_trains_cannot_change_what_serves() -> None:
    assert rights("heliograph-monitor") == rights("heliograph-train") == {}
    assert rights("heliograph-act") == {"inferenceservices": {"get", "list", "watch", "create", "patch"}}
    everything = {"get", "list", "watch", "create", "patch", "delete"}
    assert rights("heliograph-deploy") == {"inferenceservices": everything}
    for document in access("overlays/standard"):
        assert "*" not in str(document.get("rules", ""))


KFP = {
    ("argoproj.io", "workflowtaskresults", ""): {"create", "patch"},
    ("", "pods", ""): {"get"},
    ("", "configmaps", "kfp-launcher"): {"get"},
    ("", "secrets", "mlpipeline-minio-artifact"): {"get"},
}
"""What Kubeflow Pipelines' own containers need."""
TRAINS = {
    ("trainer.kubeflow.org", "trainjobs", ""): {"get", "list", "watch", "create", "delete"},
    ("", "pods", ""): {"get", "list"},
    ("", "pods/log", ""): {"get", "list"},
}
"""What a training on several nodes needs besides."""


@pytest.mark.parametrize("account", ACCOUNTS)
def test_besides_what_serves_an_account_may_do_what_kfp_needs(account: str) -> None:
    """In its own namespace: no ClusterRole, and by name where a resource holds secrets."""
    every = access("overlays/standard")
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
    serves = {"serving.kserve.io", "gateway.networking.k8s.io", "apps"}
    assert {key: verbs for key, verbs in found.items() if key[0] not in serves} == (
        KFP | TRAINS if account in ("act", "deploy") else KFP
    )
    assert {key[1] for key in found if key[0] in serves} == (
        {"inferenceservices", "httproutes", "deployments"} if account in ("act", "deploy") else set()
    )


def test_the_runtime_of_several_nodes_has_what_train_jobs_expect() -> None:
    """Its fields are those of the typed models; its job and its container are the ones that a TrainJob changes."""
    runtime = yaml.safe_load((KUSTOMIZE.parent / "trainer" / "runtime.yaml").read_text(encoding="utf-8"))
    assert runtime_faults(runtime) == []
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert job["name"] == container["name"] == NODE
    assert container["image"] == version.image("train")
    runtime["spec"]["mlPolicy"]["nodes"] = runtime["spec"]["mlPolicy"].pop("numNodes")
    assert runtime_faults(runtime) == ['unknown field ".spec.mlPolicy.nodes"']
