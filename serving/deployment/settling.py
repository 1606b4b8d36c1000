"""The end of a change on a cluster: an InferenceService that was just stored is awaited, and its version tried."""

from collections.abc import Callable

from serving.deployment.cluster_address import request_url
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import ChangedError, DeploymentError
from serving.deployment.kubernetes_objects import Document, Objects
from serving.deployment.trial import Trial


def settle(
    services: Objects,
    stored: Document,
    version: str,
    reason: Callable[[Document], str | None],
    deployment: Deployment,
    trial: Trial,
) -> Document:
    """Wait until ``reason`` has nothing against the service, then try the version; return the service.

    Raises DeploymentError, with what to look at, where it does not come up, and ChangedError where another process has
    changed it meanwhile, whether it came up or not.
    """
    try:
        ready = services.wait(stored, deployment.ready_seconds, reason)
        trial.run(request_url(ready), version)
    except ChangedError:
        raise
    except DeploymentError as error:
        services.check(stored)
        raise DeploymentError(f"{error} {_look_at(deployment.namespace, stored['metadata']['name'])}") from None
    return services.check(stored)


def _look_at(namespace: str, name: str) -> str:
    """What to look at where a version does not come up."""
    pods = f"-l serving.kserve.io/inferenceservice={name} -c kserve-container --tail=50"
    return (
        f"What served before still serves. Look at: kubectl -n {namespace} describe inferenceservice {name}; "
        f"kubectl -n {namespace} logs {pods}"
    )
