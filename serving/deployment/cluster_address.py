"""Addresses of a model on a cluster."""

import os
from dataclasses import dataclass

from serving.deployment.kubernetes_objects import Document

_PORTS = {"HTTPS": 443, "HTTP": 80}
"""A URL's own port by a listener's protocol."""


@dataclass(frozen=True)
class ClusterAddress:
    """Where a model is served on a cluster."""

    model: str
    base: str
    """URL without a path."""
    grpc: str = ""
    """host:port of the Open Inference Protocol; "" in Knative mode, which routes HTTP only."""

    @property
    def url(self) -> str:
        """URL of the v1 predict call."""
        return f"{self.base.rstrip('/')}/v1/models/{self.model}:predict"


def request_url(service: Document) -> str:
    """The URL at which this process reaches an InferenceService: inside a cluster its local one; "" where it has none.

    ``KUBERNETES_SERVICE_HOST`` is set in every pod.
    """
    status = service.get("status", {})
    local, public = status.get("address", {}).get("url", ""), status.get("url", "")
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    return str((local or public) if inside else (public or local))


def listener_address(gateway: Document | None, host: str) -> str:
    """The URL, without a path, at which a Gateway's listener takes requests for a host name, HTTPS before HTTP.

    HTTP at its own port where the Gateway is not known.
    """
    listeners = [] if gateway is None else gateway["spec"]["listeners"]
    taken = [one for one in listeners if one["protocol"] in _PORTS and _takes(one.get("hostname"), host)]
    if not taken:
        return f"http://{host}"
    chosen = min(taken, key=lambda one: one["protocol"] != "HTTPS")
    scheme, port = chosen["protocol"].lower(), chosen["port"]
    return f"{scheme}://{host}" + ("" if port == _PORTS[chosen["protocol"]] else f":{port}")


def _takes(pattern: str | None, host: str) -> bool:
    if not pattern or pattern == host:
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])
