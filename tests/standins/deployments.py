"""The Deployment that KServe makes of an InferenceService in Standard mode, with the status of its controller."""

import copy

from tests.standins.api_kinds import Object
from tests.standins.api_server import ApiServer


def deploy_pods(server: ApiServer, service: Object, updated: bool, extra: int = 0) -> int:
    """Create or change a service's Deployment; return the generation that its controller has observed.

    ``updated``: all pods have the newest template, and are ready; else those from before it go on. ``extra``: pods that
    an autoscaler wants besides ``minReplicas``; each change of their number is a generation of the Deployment's own.
    """
    namespace, name = service["metadata"]["namespace"], f"{service['metadata']['name']}-predictor"
    predictor = service["spec"]["predictor"]
    count = predictor.get("minReplicas", 1) + extra
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": count, "template": {"spec": {"containers": _containers(predictor)}}},
    }
    old = server.get("deployments", namespace, name)
    stored = server.write(("deployments", namespace, name), document)
    generation: int = stored["metadata"]["generation"]
    before = 0 if old is None else old.get("status", {}).get("availableReplicas", 0)
    pods = count if updated else before + 1
    status = {"updatedReplicas": count if updated else 1, "availableReplicas": count if updated else before}
    status |= {"replicas": pods, "observedGeneration": generation}
    server.set_status("deployments", namespace, name, status)
    return generation


def end_pods(server: ApiServer, namespace: str, service: str) -> None:
    """Remove a service's Deployment, if there is one."""
    key = ("deployments", namespace, f"{service}-predictor")
    if server.get(*key) is not None:
        server.delete(key)


def _containers(predictor: Object) -> list[Object]:
    """As Kubernetes stores them: an empty value of a variable is left out."""
    containers: list[Object] = copy.deepcopy(predictor["containers"])
    for entry in (entry for one in containers for entry in one["env"] if entry.get("value") == ""):
        del entry["value"]
    return containers
