"""Standard mode: the ``HTTPRoute`` (Gateway API) that splits a model's traffic between its versions by weight.

KServe makes a Service ``<InferenceService>-predictor`` for each: port 80 is HTTP, port 8081 gRPC.
"""

from collections.abc import Mapping
from typing import Any

from serving.deployment.cluster_settings import Deployment
from serving.deployment.inference_service import GRPC_PORT, MODEL_LABEL

GROUP, VERSION, PLURAL = "gateway.networking.k8s.io", "v1", "httproutes"
_GRPC = "/inference.GRPCInferenceService/"
SUFFIX = "-predictor"
"""What KServe appends to an InferenceService's name, for its Service and its Deployment."""


def service_name(deployment: Deployment, version: str) -> str:
    """The name of a version's InferenceService."""
    return f"{deployment.name}-{version}"


def http_route(deployment: Deployment, shares: Mapping[str, int]) -> dict[str, Any]:
    """Build the route; ``shares``: percent of the traffic by version."""
    namespace, gateway = deployment.gateway.split("/")

    def rule(path: str, port: int) -> dict[str, Any]:
        backends = [
            {"name": service_name(deployment, version) + SUFFIX, "port": port, "weight": percent}
            for version, percent in shares.items()
        ]
        return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": backends}

    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "HTTPRoute",
        "metadata": {
            "name": deployment.name,
            "namespace": deployment.namespace,
            "labels": {MODEL_LABEL: deployment.name},
        },
        "spec": {
            "parentRefs": [{"name": gateway, "namespace": namespace}],
            "hostnames": [deployment.hostname],
            "rules": [rule(_GRPC, GRPC_PORT), rule("/", 80)],
        },
    }


def shares_of(deployment: Deployment, route: Mapping[str, Any]) -> dict[str, int]:
    """Percent of the traffic by version that a route gives."""
    backends = route["spec"]["rules"][-1]["backendRefs"]
    named = {one["name"].removesuffix(SUFFIX).removeprefix(f"{deployment.name}-"): one["weight"] for one in backends}
    return {version: weight for version, weight in named.items() if weight}


def refusal(route: Mapping[str, Any], generation: int) -> str | None:
    """Why no Gateway has accepted this generation of the route (yet); None where one has."""
    parents = route.get("status", {}).get("parents", [])
    found = {
        one["type"]: one
        for parent in parents
        for one in parent.get("conditions", [])
        if one.get("observedGeneration", 0) >= generation
    }
    missing = [kind for kind in ("Accepted", "ResolvedRefs") if found.get(kind, {}).get("status") != "True"]
    if not missing:
        return None
    said = [str(found[kind].get("message", "")) for kind in missing if kind in found]
    return f"not {' and '.join(missing)} by the Gateway" + (f": {'; '.join(said)}" if said else "")
