"""What an InferenceService that serves says of its own settings, so that a change keeps them."""

import copy
from dataclasses import replace

from serving.deployment.cluster_settings import Deployment
from serving.deployment.inference_service import BESIDE, DIGEST, SERVED, VERSION, environment
from serving.deployment.kubernetes_objects import Document
from serving.settings.limits import LIMITS, Limits, parse_limits


def limits_of(service: Document) -> Limits:
    """The limits of the service's pods. Raises DeploymentError for a service that is not ours."""
    return parse_limits(environment(service).get(LIMITS) or "{}", f"{service['metadata']['name']}: {LIMITS}")


def kept(deployment: Deployment, service: Document | None) -> Deployment:
    """The settings; what they leave open (``limits``, ``served``) as the service's pods have it.

    Raises DeploymentError for a service that is not ours.
    """
    if service is None:
        return deployment
    served = deployment.served or environment(service).get(SERVED, "")
    limits = limits_of(service) if deployment.limits is None else deployment.limits
    return replace(deployment, limits=limits, served=served)


def with_version(service: Document, version: str, digest: str, beside: str = "") -> Document:
    """The service's containers with another version, everything else unchanged."""
    environment(service)  # is it ours?
    containers = copy.deepcopy(service["spec"]["predictor"]["containers"])
    given = {VERSION: version, DIGEST: digest, **({BESIDE: beside} if beside else {})}
    kept = [entry for entry in containers[0]["env"] if entry["name"] not in (VERSION, DIGEST, BESIDE)]
    containers[0]["env"] = [*({"name": name, "value": value} for name, value in given.items()), *kept]
    return {"containers": containers}
