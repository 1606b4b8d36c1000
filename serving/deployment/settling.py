"""The end of a change on a cluster: an InferenceService that was just stored is awaited, and its version tried.

Where that fails, what served before is put back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.deployment.cluster_address import request_url
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import ChangedError, DeploymentError, LeftError
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


@contextmanager
def otherwise(back: Callable[[], object]) -> Iterator[None]:
    """Call ``back``, which puts back what served before, where the block fails; not for a ChangedError.

    Raises the block's error, and LeftError, which says why both failed, where ``back`` raises a DeploymentError.
    """
    try:
        yield
    except ChangedError:
        raise
    except BaseException as error:
        try:
            back()
        except DeploymentError as second:
            first = str(error) or type(error).__name__
            raise LeftError(f"{first} And what served before could not be put back: {second}") from error
        raise


def _look_at(namespace: str, name: str) -> str:
    """What to look at where a version does not come up."""
    pods = f"-l serving.kserve.io/inferenceservice={name} -c kserve-container --tail=50"
    return f"Look at: kubectl -n {namespace} describe inferenceservice {name}; kubectl -n {namespace} logs {pods}"
