"""Cluster targets: a model served by KServe, in the mode of its deployment."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from serving.deployment import http_route
from serving.deployment.cluster_settings import KNATIVE, Deployment
from serving.deployment.example import bundle_request
from serving.deployment.knative import Knative
from serving.deployment.kubernetes_objects import Objects, open_client
from serving.deployment.standard import Kinds, Standard
from serving.deployment.trial import Trial
from serving.settings.token import read_token
from serving.versions.registry import Registry

if TYPE_CHECKING:
    from kserve import KServeClient

_TRIAL_SECONDS = 60.0
INFERENCE_SERVICES = ("serving.kserve.io", "v1beta1", "inferenceservices")


def open_cluster(
    deployment: Deployment,
    registry: Registry,
    document: Callable[[str], dict[str, Any]] | None = None,
    client: "KServeClient | None" = None,
) -> Knative | Standard:
    """The target of a deployment, on the cluster of this pod or of the current kubeconfig.

    ``document``: the example request of a version; None = one made of its bundle. Callers' token: HELIOGRAPH_TOKEN.
    Raises DeploymentError where there is no cluster, EndpointError for an invalid token.
    """
    client = client or open_client()
    document = document or partial(registered_request, registry, deployment.model)
    trial = Trial(deployment.model, document, read_token(), min(_TRIAL_SECONDS, deployment.ready_seconds))
    digest_of = partial(registry.digest, deployment.model)
    if deployment.mode == KNATIVE:
        services = Objects(client, INFERENCE_SERVICES, deployment.namespace, deployment.name)
        return Knative(services, deployment, trial, digest_of)
    return Standard(standard_kinds(client, deployment), deployment, trial, digest_of)


def standard_kinds(client: "KServeClient", deployment: Deployment) -> Kinds:
    """What a model has in Standard mode."""
    namespace, routed = deployment.namespace, (http_route.GROUP, http_route.VERSION)
    return Kinds(
        services=Objects(client, INFERENCE_SERVICES, namespace, deployment.name),
        routes=Objects(client, (*routed, http_route.PLURAL), namespace, deployment.name),
        deployments=Objects(client, ("apps", "v1", "deployments"), namespace),
        gateways=Objects(client, (*routed, "gateways"), deployment.gateway.split("/")[0]),
    )


def registered_request(registry: Registry, name: str, version: str) -> dict[str, Any]:
    """An example request made of a registered version's bundle. Raises RegistryError."""
    with TemporaryDirectory() as scratch:
        return bundle_request(registry.download(name, version, Path(scratch) / "bundle"))
