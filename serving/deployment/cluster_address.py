"""Addresses of a model on a cluster."""

import os
from dataclasses import dataclass

from serving.deployment.kubernetes_objects import Document


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
