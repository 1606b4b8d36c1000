"""The ranker's KServe ``InferenceService`` manifest, built with the SDK's classes.

The predictor runs our image with ``serving.deployment.container``. It fetches the version's bundle from the registry
and verifies it against the digest in the manifest; no storage initializer and no pickle is involved.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from models.version import SERVE_IMAGE
from serving.settings.limits import LIMITS, Limits

if TYPE_CHECKING:
    from kserve import V1beta1InferenceService, V1beta1PredictorSpec
    from kubernetes.client import V1Container, V1Probe  # type: ignore[import-untyped]

CONTAINER = "kserve-container"
"""The container name that KServe expects in a custom predictor."""
PORT = 8080
VERSION, DIGEST = "HELIOGRAPH_VERSION", "HELIOGRAPH_DIGEST"
_WORK = "/work"
_USER = 1000


@dataclass(frozen=True)
class Deployment:
    """One model on a cluster. The defaults suit a small product: CPU only, one to four replicas."""

    model: str
    """The registered model; also the name of the InferenceService, with dashes."""
    version: str
    image: str = SERVE_IMAGE
    """An image with this repository installed (deploy/Dockerfile)."""
    namespace: str = "heliograph"
    tracking_uri: str = "http://mlflow:5000"
    """Address of the registry, an MLflow server."""
    secret: str = "heliograph"
    """A Secret with FEAST_REGISTRY and FEAST_REDIS (feature_store.cluster.yaml), and HELIOGRAPH_TOKEN where callers
    must send a token."""
    replicas: tuple[int, int] = (1, 4)
    """Minimum and maximum."""
    limits: Limits | None = None
    """None: the service's current limits, or the defaults. ``concurrent`` is also the autoscaling target."""
    cpu: str = "2"
    memory: str = "3Gi"
    digest: str = ""
    """The bundle's expected digest; pods refuse any other. "" = the registry's digest when the pod starts."""

    @property
    def name(self) -> str:
        """The name of the InferenceService: a DNS label."""
        return self.model.replace("_", "-").lower()


def inference_service(deployment: Deployment, canary_percent: int = 100) -> "V1beta1InferenceService":
    """Build the manifest. ``canary_percent``: this version's share of the traffic; the previous revision has the rest.

    It is always written, even 100: a patch only changes the fields it names, so an old share would stay.
    """
    from kserve import V1beta1PredictorSpec
    from kubernetes.client import V1EmptyDirVolumeSource, V1Volume

    limits = deployment.limits or Limits()
    fewest, most = deployment.replicas
    predictor = V1beta1PredictorSpec(
        containers=[_container(deployment, limits)],
        canary_traffic_percent=canary_percent,
        min_replicas=fewest,
        max_replicas=most,
        scale_metric="concurrency",
        scale_target=limits.concurrent,
        timeout=30,  # seconds; Knative gives a terminating pod the same time
        volumes=[V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource()) for name in ("work", "tmp")],
    )
    return _service(deployment, predictor)


def share(deployment: Deployment, percent: int) -> "V1beta1InferenceService":
    """Build a patch that changes the newest revision's share and nothing else."""
    from kserve import V1beta1PredictorSpec

    return _service(deployment, V1beta1PredictorSpec(canary_traffic_percent=percent))


def to_yaml(service: "V1beta1InferenceService") -> str:
    """Render the manifest for ``kubectl apply -f``."""
    import yaml
    from kubernetes.client import ApiClient

    document: str = yaml.safe_dump(ApiClient().sanitize_for_serialization(service), sort_keys=False)
    return document


def _service(deployment: Deployment, predictor: "V1beta1PredictorSpec") -> "V1beta1InferenceService":
    from kserve import V1beta1InferenceService, V1beta1InferenceServiceSpec, constants
    from kubernetes.client import V1ObjectMeta

    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(name=deployment.name, namespace=deployment.namespace),
        spec=V1beta1InferenceServiceSpec(predictor=predictor),
    )


def _container(deployment: Deployment, limits: Limits) -> "V1Container":
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
        "HELIOGRAPH_WORK": _WORK,
        LIMITS: json.dumps(named),
        "MLFLOW_TRACKING_URI": deployment.tracking_uri,
    }
    if deployment.digest:
        variables[DIGEST] = deployment.digest
    size = {"cpu": deployment.cpu, "memory": deployment.memory}
    return V1Container(
        name=CONTAINER,
        image=deployment.image,
        command=["python", "-m", "serving.deployment.container"],
        env=[V1EnvVar(name=name, value=value) for name, value in variables.items()],
        env_from=[V1EnvFromSource(secret_ref=V1SecretEnvSource(name=deployment.secret))],
        # HTTP only: Knative routes one port of a container. gRPC listens at HELIOGRAPH_GRPC_PORT, which is not routed.
        ports=[V1ContainerPort(name="http1", container_port=PORT, protocol="TCP")],
        resources=V1ResourceRequirements(requests=size, limits=size),
        # Startup includes fetching and loading the bundle; readiness waits for the store (server/ranking_runtime.py).
        startup_probe=_probe("/v2/health/live", every=5, failures=36),
        readiness_probe=_probe("/v2/health/ready", every=5, failures=2),
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
