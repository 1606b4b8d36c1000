"""Kinds and refusals of the API server of the tests."""

import json
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace, name."""
KINDS = {
    "inferenceservices": ("serving.kserve.io", "v1beta1", "InferenceService"),
    "httproutes": ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
    "gateways": ("gateway.networking.k8s.io", "v1", "Gateway"),
    "deployments": ("apps", "v1", "Deployment"),
    "trainjobs": ("trainer.kubeflow.org", "v1alpha1", "TrainJob"),
    "roles": ("rbac.authorization.k8s.io", "v1", "Role"),
    "rolebindings": ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    "serviceaccounts": ("", "v1", "ServiceAccount"),
    "services": ("", "v1", "Service"),
    "secrets": ("", "v1", "Secret"),
    "configmaps": ("", "v1", "ConfigMap"),
    "pods": ("", "v1", "Pod"),
}
"""By plural: API group, version, kind."""


class RefusedError(Exception):
    """A request that is not carried out: HTTP status, reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


def status_document(status: int, reason: str, message: str) -> bytes:
    """The body of a refusal."""
    facts = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return json.dumps({**facts, "reason": reason, "message": message, "code": status}).encode()
