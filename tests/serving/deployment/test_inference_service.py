from pathlib import Path

import pytest
import yaml
from kserve import V1beta1InferenceService

from models.spec import load_spec
from serving.deployment.inference_service import Deployment, inference_service, to_yaml
from serving.versions.registry import model_name

ROOT = Path(__file__).resolve().parents[3]


def written(deployment: Deployment, percent: int = 100) -> dict:
    return yaml.safe_load(to_yaml(inference_service(deployment, percent)))


def test_the_predictor_runs_our_image_on_processors_alone() -> None:
    document = written(Deployment("tiny_ranker", "7", image="registry/image:1", replicas=(2, 5)), 10)
    predictor = document["spec"]["predictor"]
    (container,) = predictor["containers"]
    assert document["kind"] == "InferenceService"
    assert document["metadata"]["name"] == "tiny-ranker"
    assert (predictor["minReplicas"], predictor["maxReplicas"], predictor["canaryTrafficPercent"]) == (2, 5, 10)
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("concurrency", 8)
    assert container["image"] == "registry/image:1"
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert {"name": "HELIOGRAPH_VERSION", "value": "7"} in container["env"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["startupProbe"]["httpGet"]["path"] == "/v2/health/live"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_secrets_are_referred_to_and_never_written() -> None:
    (container,) = written(Deployment("tiny", "1", secret="mine"))["spec"]["predictor"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "mine"}}]
    assert not any(word in entry["name"] for entry in container["env"] for word in ("TOKEN", "REDIS", "REGISTRY"))


def test_every_field_is_one_that_the_sdk_knows() -> None:
    """KServe's classes refuse unknown fields, and read the YAML back unchanged."""
    service = inference_service(Deployment("tiny", "1"))
    assert isinstance(service, V1beta1InferenceService)
    assert set(written(Deployment("tiny", "1"))["spec"]["predictor"]) <= set(
        service.spec.predictor.attribute_map.values()
    )


@pytest.mark.parametrize("product", ["professional", "kuairand"])
def test_the_manifests_in_deploy_are_up_to_date(product: str) -> None:
    model = model_name(load_spec(ROOT / "configs" / f"{product}.yaml"))
    expected = to_yaml(inference_service(Deployment(model, "1")))
    assert (ROOT / "deploy" / f"{product}.yaml").read_text(encoding="utf-8") == expected
