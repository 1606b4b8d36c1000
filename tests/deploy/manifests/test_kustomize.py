"""deploy/kustomize: pods without rights, who reaches whom, and nothing that resets what serves."""

import argparse
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from deploy.manifests.check import KUSTOMIZE, OVERLAYS, WRITTEN, build
from feature_repo.commands import _parser
from models.version import IMAGE, SERVE_IMAGE
from pipelines.resources import OPTIONAL, REQUIRED
from pipelines.settings import DEFAULTS
from serving.deployment.cluster_settings import endpoint_of
from tests.house import ROOT

Document = dict[str, Any]


@cache
def built(name: str) -> list[Document]:
    return build(KUSTOMIZE / name)


def one(name: str, kind: str, of: str) -> Document:
    (found,) = [each for each in built(name) if (each["kind"], each["metadata"]["name"]) == (kind, of)]
    return found


def pods(name: str) -> Iterator[tuple[str, Document]]:
    """The pod templates of an overlay by the name of their owner."""
    for document in built(name):
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield document["metadata"]["name"], template


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    wanted = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return wanted and all(
        one["key"] in labels and labels[one["key"]] in one.get("values", [labels[one["key"]]])
        for one in selector.get("matchExpressions", [])
    )


def template(name: str) -> Document:
    """The InferenceService that a deployment writes."""
    return next(yaml.safe_load_all((KUSTOMIZE / "templates" / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", OVERLAYS)
def test_applying_it_again_changes_neither_version_nor_share(name: str) -> None:
    assert [document["kind"] for document in built(name) if document["kind"] in WRITTEN] == []
    assert {document["metadata"]["namespace"] for document in built(name)} == {"heliograph"}


def test_pods_have_no_rights_and_nothing_floats() -> None:
    found = dict(pods("overlays/example"))
    assert set(found) == {"heliograph-features", "heliograph-materialize", "redis", "postgres", "mlflow"}
    for owner, pod in found.items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False, owner
        assert spec["securityContext"]["runAsNonRoot"] is True, owner
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        (container,) = spec["containers"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True, owner
        assert (rights["allowPrivilegeEscalation"], rights["capabilities"]) == (False, {"drop": ["ALL"]}), owner
        size = container["resources"]
        assert set(size["requests"]) == set(size["limits"]) == {"cpu", "memory"}, owner
        assert size["requests"]["memory"] == size["limits"]["memory"], owner
        assert container["image"].rpartition(":")[2] not in ("latest", container["image"]), owner


def test_secrets_are_referred_to_and_never_written() -> None:
    assert [document for document in built("overlays/example") if document["kind"] == "Secret"] == []
    for owner, pod in pods("overlays/example"):
        for variable in pod["spec"]["containers"][0]["env"]:
            if any(word in variable["name"] for word in ("PASSWORD", "FEAST_", "KEY", "TOKEN")):
                assert "secretKeyRef" in variable["valueFrom"], (owner, variable["name"])


def test_materialize_is_the_pipelines_step() -> None:
    (container,) = dict(pods("base"))["heliograph-materialize"]["spec"]["containers"]
    settings = DEFAULTS["materialize"]
    assert container["resources"]["limits"] == {"cpu": f"{settings.cpu:g}", "memory": settings.memory}
    keys = [entry["name"] for entry in container["env"] if "secretKeyRef" in entry["valueFrom"]]
    assert keys == [*REQUIRED, *(key for key in OPTIONAL if key.startswith("AWS_"))]
    optional = [
        entry["name"] for entry in container["env"] if entry["valueFrom"].get("secretKeyRef", {}).get("optional")
    ]
    assert set(optional) == set(keys) - set(REQUIRED)
    assert container["image"] == IMAGE
    command = [*container["command"], *container["args"]]
    options = _parser().parse_args(command[3:])
    assert (ROOT / options.config).is_file()
    assert (options.product, options.since_last) == ("$(HELIOGRAPH_PROJECT)", True)
    maps = {each["metadata"]["name"]: each["data"] for each in built("base") if each["kind"] == "ConfigMap"}
    assert maps.pop("heliograph-dashboard").keys() == {"heliograph.json"}
    (product,) = maps.values()
    assert (ROOT / "configs" / f"{product['HELIOGRAPH_PROJECT']}.yaml").is_file()


@pytest.mark.parametrize("mode", ["knative", "standard"])
def test_the_pods_that_serve_are_selected_by_the_labels_that_deployments_write(mode: str) -> None:
    labels = template("professional")["metadata"]["labels"]
    found = {
        (each["kind"], each["metadata"]["name"])
        for each in built(f"overlays/{mode}")
        for key in ("podSelector", "selector")
        if each["kind"] != "Service" and key in each.get("spec", {}) and selects(each["spec"][key], labels)
    }
    monitor = {"knative": "PodMonitor", "standard": "ServiceMonitor"}[mode]
    assert found == {
        ("NetworkPolicy", "heliograph-predictor"),
        ("NetworkPolicy", f"heliograph-predictor-{mode}"),
        ("PodDisruptionBudget", "heliograph-predictor"),
        (monitor, "heliograph"),
    }


def reached_from(policy: Document, namespace: str, labels: Mapping[str, str]) -> set[int] | None:
    """The ports that a pod of a namespace reaches; None: all."""
    ports: set[int] = set()
    home = policy["metadata"]["namespace"]
    for rule in policy["spec"]["ingress"]:
        for peer in rule["from"]:
            spaces = peer.get("namespaceSelector")
            near = namespace == home if spaces is None else selects(spaces, {"kubernetes.io/metadata.name": namespace})
            if near and selects(peer.get("podSelector", {}), labels):
                if "ports" not in rule:
                    return None
                ports |= {each["port"] for each in rule["ports"]}
    return ports


def test_who_reaches_the_pods_that_serve() -> None:
    policy = one("base", "NetworkPolicy", "heliograph-predictor")
    assert reached_from(policy, "monitoring", {}) == {8080}
    assert reached_from(policy, "heliograph", {"pipeline/runid": "a"}) == {8080, 8081}  # the step deploy
    assert reached_from(policy, "heliograph", {}) == reached_from(policy, "default", {"pipeline/runid": "a"}) == set()
    knative = one("overlays/knative", "NetworkPolicy", "heliograph-predictor-knative")
    assert reached_from(knative, "knative-serving", {}) is reached_from(knative, "kourier-system", {}) is None
    assert reached_from(knative, "heliograph", {"pipeline/runid": "a"}) == reached_from(knative, "default", {}) == set()
    standard = one("overlays/standard", "NetworkPolicy", "heliograph-predictor-standard")
    assert reached_from(standard, "kserve", {}) == {8080, 8081}
    assert reached_from(standard, "default", {}) == set()


@pytest.mark.parametrize(("service", "port"), [("redis", 6379), ("postgres", 5432), ("mlflow", 5000)])
def test_only_our_pods_reach_the_services(service: str, port: int) -> None:
    policy = one("overlays/example", "NetworkPolicy", service)
    own = dict(pods("overlays/example"))
    assert selects(policy["spec"]["podSelector"], own[service]["metadata"]["labels"])
    for labels in (
        template("kuairand")["metadata"]["labels"],
        own["heliograph-features"]["metadata"]["labels"],
        own["heliograph-materialize"]["metadata"]["labels"],
        {"pipeline/runid": "a"},
    ):
        assert reached_from(policy, "heliograph", labels) == {port}
        assert reached_from(policy, "default", labels) == set()
    assert reached_from(policy, "heliograph", {"app.kubernetes.io/name": "other"}) == set()


def test_monitors_scrape_the_port_by_its_name() -> None:
    (port, *_) = template("professional-standard")["spec"]["predictor"]["containers"][0]["ports"]
    (endpoint,) = one("overlays/standard", "ServiceMonitor", "heliograph")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == (port["name"], "/metrics")
    (pod,) = one("overlays/knative", "PodMonitor", "heliograph")["spec"]["podMetricsEndpoints"]
    assert {**pod, "port": ""} == {**endpoint, "port": ""}
    assert pod["port"] == "user-port"  # what Knative makes of the name


def test_the_settings_of_the_example_are_valid() -> None:
    options = argparse.Namespace(endpoint=KUSTOMIZE / "overlays" / "example" / "endpoint.json")
    settings = endpoint_of(options)
    assert settings["image"].rpartition("/")[2] == SERVE_IMAGE
    assert settings["namespace"] == built("overlays/example")[0]["metadata"]["namespace"]
    assert set(settings) == {"mode", "namespace", "image", "replicas", "cpu", "memory"}
