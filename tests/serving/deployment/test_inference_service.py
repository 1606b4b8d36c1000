from pathlib import Path

import pytest
import yaml
from kserve import V1beta1PredictorSpec

from deploy.manifests.schemas import INFERENCE_SERVICES, faults, inference_service_schema
from models.spec import load_spec
from serving.deployment.cluster_settings import STANDARD, Deployment
from serving.deployment.errors import DeploymentError
from serving.deployment.http_route import http_route, service_name
from serving.deployment.inference_service import inference_service, to_yaml
from serving.versions.registry import model_name

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "0123456789abcdef" * 4
NONE = "0" * 64
"""A digest that no bundle has: whoever applies a sample puts in that of the version."""


def written(deployment: Deployment, percent: int = 100) -> dict:
    return yaml.safe_load(to_yaml(inference_service(deployment, percent)))


def test_the_predictor_runs_our_image_on_processors_alone() -> None:
    document = written(Deployment("tiny_ranker", "7", image="registry/image:1", replicas=(2, 5), digest=DIGEST), 10)
    predictor = document["spec"]["predictor"]
    (container,) = predictor["containers"]
    assert document["kind"] == "InferenceService"
    assert document["metadata"]["name"] == "tiny-ranker"
    assert (predictor["minReplicas"], predictor["maxReplicas"], predictor["canaryTrafficPercent"]) == (2, 5, 10)
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("concurrency", 8)
    assert container["image"] == "registry/image:1"
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert {"name": "HELIOGRAPH_VERSION", "value": "7"} in container["env"]
    assert {"name": "HELIOGRAPH_DIGEST", "value": DIGEST} in container["env"]
    assert document["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Knative"}
    assert [port["containerPort"] for port in container["ports"]] == [8080]  # Knative routes one
    assert container["startupProbe"]["periodSeconds"] == 1  # ready is seen at once
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["startupProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_secrets_are_referred_to_and_never_written() -> None:
    (container,) = written(Deployment("tiny", "1", secret="mine", digest=DIGEST))["spec"]["predictor"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert {"name": "HELIOGRAPH_SIGNING_KEY", "value": ""} in container[
        "env"
    ]  # a key of the secret does not reach servers
    assert not any(word in entry["name"] for entry in container["env"] for word in ("TOKEN", "REDIS", "REGISTRY"))


def test_in_standard_mode_grpc_has_a_port_and_processors_scale() -> None:
    document = written(standard())
    predictor = document["spec"]["predictor"]
    ports = {port["name"]: port["containerPort"] for port in predictor["containers"][0]["ports"]}
    assert ports == {"http1": 8080, "grpc": 8081}
    assert (predictor["scaleMetric"], predictor["serviceAccountName"]) == ("cpu", "reader")
    assert "canaryTrafficPercent" not in predictor
    assert document["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}


def standard() -> Deployment:
    given = {"mode": STANDARD, "hostname": "rank.example.com", "service_account": "reader"}
    return Deployment("tiny", "1", digest=DIGEST, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_every_field_is_one_that_kserve_knows(mode: str) -> None:
    document = written(Deployment("tiny", "1", digest=DIGEST) if mode == "Knative" else standard())
    assert set(document["spec"]["predictor"]) <= set(V1beta1PredictorSpec.attribute_map.values())
    schema = inference_service_schema()
    if schema is None:
        pytest.skip(f"no CustomResourceDefinition at {INFERENCE_SERVICES}: set HELIOGRAPH_CRDS")
    assert list(faults(document, schema)) == []
    document["spec"]["predictor"]["containers"][0]["imagePullPolicies"] = "Always"
    assert list(faults(document, schema)) == ['unknown field ".spec.predictor.containers[0].imagePullPolicies"']


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"version": ""}, "expected a version and the SHA-256 digest"),
        ({"digest": ""}, "expected a version and the SHA-256 digest"),
        ({"digest": "latest"}, "expected a version and the SHA-256 digest"),
        ({"image": "registry:5000/image"}, "expected an image with a tag"),
        ({"image": "image:latest"}, "expected an image with a tag"),
        ({"mode": "RawDeployment"}, "expected the mode Knative or Standard"),
        ({"mode": STANDARD}, "expected for Standard mode the host name"),
    ],
)
def test_nothing_that_a_pod_runs_floats(changed: dict[str, str], found: str) -> None:
    with pytest.raises(DeploymentError, match=found):
        inference_service(Deployment(**{"model": "tiny", "version": "1", "digest": DIGEST, **changed}))


@pytest.mark.parametrize("image", ["registry:5000/team/image:1.2", "image@sha256:" + "a" * 64])
def test_an_image_with_a_tag_or_a_digest_is_fixed(image: str) -> None:
    Deployment("tiny", "1", digest=DIGEST, image=image).check()


@pytest.mark.parametrize("product", ["professional", "kuairand"])
def test_the_templates_are_up_to_date(product: str) -> None:
    model = model_name(load_spec(ROOT / "configs" / f"{product}.yaml"))
    knative = Deployment(model, "1", digest=NONE)
    host = f"{product}.example.com"
    behind = Deployment(model, "1", digest=NONE, mode=STANDARD, hostname=host)
    route = http_route(behind, {"1": 100})
    expected = {
        f"{product}.yaml": to_yaml(inference_service(knative)),
        f"{product}-standard.yaml": to_yaml(inference_service(behind, name=service_name(behind, "1")), route),
    }
    for name, text in expected.items():
        assert (ROOT / "deploy" / "kustomize" / "templates" / name).read_text(encoding="utf-8") == text
