"""The KServe ``InferenceService`` of the ranker, built of the SDK's own classes.

The predictor is our image, which runs ``serving.deployment.container``: it fetches the version's bundle from the registry and
verifies it against the digest that is written here, so that no storage initialiser and no pickle is involved.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from serving.settings.limits import LIMITS, Limits

if TYPE_CHECKING:
    from kserve import V1beta1InferenceService
    from kubernetes.client import V1Probe  # type: ignore[import-untyped]

CONTAINER = "kserve-container"
"""The name that KServe expects of a custom predictor's container."""
PORT = 8080
VERSION, DIGEST = "HELIOGRAPH_VERSION", "HELIOGRAPH_DIGEST"
_WORK = "/work"
_USER = 1000


@dataclass(frozen=True)
class Deployment:
    """One model on a cluster. The defaults are those of a small product: CPUs only, one to four replicas."""

    model: str
    """The registered model; also the name of the InferenceService, with dashes."""
    version: str
    image: str = "heliograph-python:0.1.0"
    """This repository, installed (deploy/Dockerfile)."""
    namespace: str = "heliograph"
    tracking_uri: str = "http://mlflow:5000"
    """The registry: an MLflow server."""
    secret: str = "heliograph"
    """A Secret with FEAST_REGISTRY and FEAST_REDIS (feature_store.cluster.yaml), and HELIOGRAPH_TOKEN where callers
    must show one."""
    replicas: tuple[int, int] = (1, 4)
    """Fewest and most."""
    limits: Limits | None = None
    """None: those of the service as it is, else the defaults. It is scaled by ``concurrent``, requests at work."""
    cpu: str = "2"
    memory: str = "3Gi"
    digest: str = ""
    """Of the version's bundle, as the registry has it now: pods take no other. "" = whatever the registry says then."""

    @property
    def name(self) -> str:
        """The name of the InferenceService: a DNS label."""
        return self.model.replace("_", "-").lower()


def inference_service(deployment: Deployment, canary_percent: int = 100) -> "V1beta1InferenceService":
    """The manifest. ``canary_percent``: share of the traffic that this version takes from the one rolled out before.

    It is always written, 100 as well: a patch changes what it names, and leaves a forgotten canary as it was.
    """
    from kserve import V1beta1InferenceService, V1beta1InferenceServiceSpec, V1beta1PredictorSpec, constants
    from kubernetes.client import (
        V1Container,
        V1ContainerPort,
        V1EmptyDirVolumeSource,
        V1EnvFromSource,
        V1EnvVar,
        V1ObjectMeta,
        V1ResourceRequirements,
        V1SecretEnvSource,
        V1SecurityContext,
        V1Volume,
        V1VolumeMount,
    )

    limits = deployment.limits or Limits()
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
    container = V1Container(
        name=CONTAINER,
        image=deployment.image,
        command=["python", "-m", "serving.deployment.container"],
        env=[V1EnvVar(name=name, value=value) for name, value in variables.items()],
        env_from=[V1EnvFromSource(secret_ref=V1SecretEnvSource(name=deployment.secret))],
        # HTTP alone: Knative takes one port of a container. gRPC listens at serving.deployment.container's own, not routed.
        ports=[V1ContainerPort(name="http1", container_port=PORT, protocol="TCP")],
        resources=V1ResourceRequirements(requests=size, limits=size),
        # The bundle is fetched and loaded first. Ready also waits for the store: serving/server/ranking_runtime.py.
        startup_probe=_probe("/v2/health/live", every=5, failures=36),
        readiness_probe=_probe("/v2/health/ready", every=5, failures=2),
        liveness_probe=_probe("/v2/health/live", every=10, failures=3),
        # The container's, not the pod's: Knative, which splits the traffic, refuses the pod's.
        security_context=V1SecurityContext(
            allow_privilege_escalation=False,
            capabilities={"drop": ["ALL"]},
            read_only_root_filesystem=True,
            run_as_non_root=True,
            run_as_user=_USER,
        ),
        volume_mounts=[V1VolumeMount(name="work", mount_path=_WORK), V1VolumeMount(name="tmp", mount_path="/tmp")],
    )
    fewest, most = deployment.replicas
    predictor = V1beta1PredictorSpec(
        containers=[container],
        canary_traffic_percent=canary_percent,
        min_replicas=fewest,
        max_replicas=most,
        scale_metric="concurrency",
        scale_target=limits.concurrent,
        timeout=30,  # Knative gives a pod that ends as long
        volumes=[V1Volume(name=name, empty_dir=V1EmptyDirVolumeSource()) for name in ("work", "tmp")],
    )
    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(name=deployment.name, namespace=deployment.namespace),
        spec=V1beta1InferenceServiceSpec(predictor=predictor),
    )


def share(deployment: Deployment, percent: int) -> "V1beta1InferenceService":
    """The change of a service that gives its newest revision another share, and touches nothing else."""
    from kserve import (
        V1beta1InferenceService,
        V1beta1InferenceServiceSpec,
        V1beta1PredictorSpec,
        constants,
    )
    from kubernetes.client import V1ObjectMeta

    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(name=deployment.name, namespace=deployment.namespace),
        spec=V1beta1InferenceServiceSpec(predictor=V1beta1PredictorSpec(canary_traffic_percent=percent)),
    )


def to_yaml(service: "V1beta1InferenceService") -> str:
    """The manifest as ``kubectl apply -f`` takes it."""
    import yaml
    from kubernetes.client import ApiClient

    document: str = yaml.safe_dump(ApiClient().sanitize_for_serialization(service), sort_keys=False)
    return document


def _probe(path: str, every: int, failures: int) -> "V1Probe":
    from kubernetes.client import V1HTTPGetAction, V1Probe

    return V1Probe(
        http_get=V1HTTPGetAction(path=path, port=PORT),
        period_seconds=every,
        failure_threshold=failures,
        timeout_seconds=3,
    )
