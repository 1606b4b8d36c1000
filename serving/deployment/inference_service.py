"""The ranker's KServe ``InferenceService`` manifest, built with the SDK's classes.

The predictor runs our image with ``serving.deployment.container``. It fetches the version's bundle from the registry
and verifies it against the digest in the manifest; no storage initializer and no pickle is involved.
"""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from serving.deployment.cluster_settings import KNATIVE, Deployment
from serving.deployment.errors import DeploymentError
from serving.settings.limits import LIMITS, Limits
from serving.versions.signing import SIGNING_KEY

if TYPE_CHECKING:
    from kubernetes.client import V1Container, V1Probe  # type: ignore[import-untyped]

CONTAINER = "kserve-container"
"""The container name that KServe expects in a custom predictor."""
MODE = "serving.kserve.io/deploymentMode"
MODEL_LABEL = "heliograph-model"
"""Label of every object of one model."""
PORT, GRPC_PORT = 8080, 8081
VERSION, DIGEST, BESIDE = "HELIOGRAPH_VERSION", "HELIOGRAPH_DIGEST", "HELIOGRAPH_BESIDE"
"""BESIDE: the version that keeps the rest of the traffic; it is there for readers of a canary's InferenceService."""
SERVED = "HELIOGRAPH_SERVED"
REVISION = "HELIOGRAPH_REVISION"
"""Standard mode: a digest of all settings of the pods, by which the Deployment of this very manifest is known."""
_SCALING = ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget")
_WORK = "/work"
_USER = 1000


def inference_service(
    deployment: Deployment, canary_percent: int = 100, name: str = "", beside: str = ""
) -> dict[str, Any]:
    """Build the manifest. Raises DeploymentError where version, digest or image are not fixed.

    ``canary_percent``: the version's share of the traffic; the previous revision (``beside``) has the rest. It is
    always written in Knative mode, even 100: a patch only changes the fields it names, so an old share would stay.
    Standard mode has no shares here. ``name``: of the InferenceService, "" = the deployment's.
    """
    from kserve import V1beta1InferenceService, V1beta1InferenceServiceSpec, V1beta1PredictorSpec, constants
    from kubernetes.client import ApiClient, V1EmptyDirVolumeSource, V1ObjectMeta, V1Volume

    deployment.check()
    limits = deployment.limits or Limits()
    knative = deployment.mode == KNATIVE
    fewest, most = deployment.replicas
    # Knative scales by requests in progress, Standard mode's HorizontalPodAutoscaler by CPU.
    scaling = {"scale_metric": "concurrency", "scale_target": limits.concurrent} if knative else {}
    predictor = V1beta1PredictorSpec(
        containers=[_container(deployment, limits, beside)],
        canary_traffic_percent=canary_percent if knative else None,
        min_replicas=fewest,
        max_replicas=most,
        **(scaling or {"scale_metric": "cpu", "scale_target": 70}),
        service_account_name=deployment.service_account or None,
        timeout=30,  # seconds; Knative gives a terminating pod the same time
        volumes=[V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource()) for name in ("work", "tmp")],
    )
    service = V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(
            name=name or deployment.name,
            namespace=deployment.namespace,
            annotations={MODE: deployment.mode},
            labels={MODEL_LABEL: deployment.name},
        ),
        spec=V1beta1InferenceServiceSpec(predictor=predictor),
    )
    document: dict[str, Any] = ApiClient().sanitize_for_serialization(service)
    if not knative:
        document["spec"]["predictor"] = marked(document["spec"]["predictor"])
    return document


def marked(predictor: dict[str, Any]) -> dict[str, Any]:
    """A predictor with REVISION in its container's variables."""
    (container,) = predictor["containers"]
    variables = [entry for entry in container["env"] if entry["name"] != REVISION]
    pods = {name: value for name, value in predictor.items() if name not in _SCALING}
    pods["containers"] = [{**container, "env": variables}]
    digest = sha256(json.dumps(pods, sort_keys=True).encode()).hexdigest()[:16]
    return {**predictor, "containers": [{**container, "env": [*variables, {"name": REVISION, "value": digest}]}]}


def share(percent: int) -> dict[str, Any]:
    """Build a patch that changes the newest revision's share and nothing else."""
    return {"spec": {"predictor": {"canaryTrafficPercent": percent}}}


def to_yaml(*documents: dict[str, Any]) -> str:
    """Render manifests for ``kubectl apply -f``."""
    import yaml

    text: str = yaml.safe_dump_all(documents, sort_keys=False)
    return text


def environment(service: dict[str, Any]) -> dict[str, str]:
    """The container's variables that have a literal value. Raises DeploymentError for a service that is not ours."""
    try:
        found = service["spec"]["predictor"]["containers"][0]["env"]
        named = {entry["name"]: entry.get("value", "") for entry in found}
    except (KeyError, IndexError, TypeError):
        named = {}
    if VERSION not in named:
        name = service.get("metadata", {}).get("name")
        raise DeploymentError(
            f"{name}: expected an InferenceService of ours; found another. Serve in another namespace."
        )
    return named


def _container(deployment: Deployment, limits: Limits, beside: str) -> "V1Container":
    from kubernetes.client import (
        V1Container,
        V1ContainerPort,
        V1EnvFromSource,
        V1EnvVar,
        V1ResourceRequirements,
        V1SecretEnvSource,
        V1SecurityContext,
        V1VolumeMount,
    )

    named = {name: value for name, value in asdict(limits).items() if value != getattr(Limits, name)}
    variables = {
        "HELIOGRAPH_MODEL": deployment.model,
        VERSION: deployment.version,
        DIGEST: deployment.digest,
        **({BESIDE: beside} if beside else {}),
        "HELIOGRAPH_WORK": _WORK,
        **({SERVED: deployment.served} if deployment.served else {}),
        LIMITS: json.dumps(named),
        "MLFLOW_TRACKING_URI": deployment.tracking_uri,
        SIGNING_KEY: "",  # servers do not sign versions: it goes before the secret's, which the pipelines may share
    }
    ports = [V1ContainerPort(name="http1", container_port=PORT, protocol="TCP")]
    if deployment.mode != KNATIVE:  # Knative routes one port of a container; KServe makes an h2c port of this name
        ports.append(V1ContainerPort(name="grpc", container_port=GRPC_PORT, protocol="TCP"))
    size = {"cpu": deployment.cpu, "memory": deployment.memory}
    return V1Container(
        name=CONTAINER,
        image=deployment.image,
        command=["python", "-m", "serving.deployment.container"],
        env=[V1EnvVar(name=name, value=value) for name, value in variables.items()],
        env_from=[V1EnvFromSource(secret_ref=V1SecretEnvSource(name=deployment.secret))],
        ports=ports,
        resources=V1ResourceRequirements(requests=size, limits=size),
        # Startup includes fetching and loading the bundle; readiness waits for the store (server/ranking_runtime.py).
        startup_probe=_probe("/v2/health/live", every=1, failures=180),
        readiness_probe=_probe("/v2/health/ready", every=2, failures=3),
        liveness_probe=_probe("/v2/health/live", every=10, failures=3),
        # Set on the container: Knative refuses a security context on the pod.
        security_context=V1SecurityContext(
            allow_privilege_escalation=False,
            capabilities={"drop": ["ALL"]},
            read_only_root_filesystem=True,
            run_as_non_root=True,
            run_as_user=_USER,
        ),
        volume_mounts=[V1VolumeMount(name="work", mount_path=_WORK), V1VolumeMount(name="tmp", mount_path="/tmp")],
    )


def _probe(path: str, every: int, failures: int) -> "V1Probe":
    from kubernetes.client import V1HTTPGetAction, V1Probe

    return V1Probe(
        http_get=V1HTTPGetAction(path=path, port=PORT),
        period_seconds=every,
        failure_threshold=failures,
        timeout_seconds=3,
    )
