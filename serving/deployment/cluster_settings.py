"""Settings of one model's deployment on a cluster: from the command line, a JSON file, or the pipeline's services."""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from models.storage import is_remote
from models.version import SERVE_IMAGE
from serving.deployment.errors import DeploymentError
from serving.errors import EndpointError
from serving.settings.documents import json_object
from serving.settings.limits import Limits, parse_limits

KNATIVE, STANDARD = "Knative", "Standard"
"""Values of KServe's annotation ``serving.kserve.io/deploymentMode``; Standard was RawDeployment before KServe 0.16."""
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}|:(?!latest$)[\w][\w.-]*$", re.ASCII)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:[1-9][0-9]{0,4})?", re.ASCII)


@dataclass(frozen=True)
class Deployment:
    """One model on a cluster. The defaults suit a small product: CPU only, one to four replicas."""

    model: str
    """The registered model; also the name of the InferenceService, with dashes."""
    version: str
    image: str = SERVE_IMAGE
    """An image with this repository installed (deploy/Dockerfile), with a tag other than ``latest``, or a digest."""
    namespace: str = "heliograph"
    tracking_uri: str = "http://mlflow:5000"
    """Address of the registry, an MLflow server."""
    secret: str = "heliograph"
    """A Secret with FEAST_REGISTRY and FEAST_REDIS (feature_store.cluster.yaml), and HELIOGRAPH_TOKEN where callers
    must send a token."""
    mode: str = KNATIVE
    """KServe's deployment mode: KNATIVE (HTTP only) or STANDARD (HTTP and gRPC, behind a Gateway)."""
    hostname: str = ""
    """STANDARD: the host name that callers use; the HTTPRoute matches it."""
    gateway: str = "kserve/kserve-ingress-gateway"
    """STANDARD: namespace and name of the Gateway (Gateway API) that the HTTPRoute belongs to."""
    address: str = ""
    """STANDARD: the URL without a path at which callers reach the Gateway, such as https://rank.example.com:8443. "":
    that of the Gateway's listener for ``hostname``, where the Gateway may be read, else http://<hostname>."""
    service_account: str = ""
    """ServiceAccount of the predictor's pods; "" = the namespace's default."""
    replicas: tuple[int, int] = (1, 4)
    """Minimum and maximum."""
    limits: Limits | None = None
    """None: the service's current limits, or the defaults. ``concurrent`` is also Knative's autoscaling target."""
    served: str = ""
    """Address of a folder in object storage where the served log is collected. "": the service's current one; the first
    time, the log stays in the pods. The deploy step takes the pipeline's storage."""
    cpu: str = "2"
    memory: str = "3Gi"
    ready_seconds: float = 600.0
    """How long a new version may take to become ready, and then, up to a minute, to answer its first request."""
    digest: str = ""
    """The bundle's expected digest; pods refuse any other."""

    @property
    def name(self) -> str:
        """The name of the model's service: a DNS label."""
        return self.model.replace("_", "-").lower()

    def check(self) -> None:
        """Raise DeploymentError unless version, digest and image are fixed, and the settings fit together."""
        if not self.version or not re.fullmatch(r"[0-9a-f]{64}", self.digest):
            raise DeploymentError(
                f"{self.name}: expected a version and the SHA-256 digest of its bundle; found {self.version!r} and "
                f"{self.digest!r:.80}. A pod must not choose its version."
            )
        self.check_choices()

    def check_choices(self) -> None:
        """Raise DeploymentError unless the image is fixed, and the mode is known and has what it needs."""
        if not _PINNED.search(self.image):
            raise DeploymentError(
                f"{self.name}: expected an image with a tag other than latest, or with a digest; found {self.image!r}."
            )
        if self.mode not in (KNATIVE, STANDARD):
            raise DeploymentError(f"{self.name}: expected the mode {KNATIVE} or {STANDARD}; found {self.mode!r:.80}.")
        if self.served and not is_remote(self.served):
            raise DeploymentError(
                f"{self.name}: expected an address in object storage as served, such as s3://bucket/served; found "
                f"{self.served!r:.80}."
            )
        if self.mode == STANDARD and not (self.hostname and self.gateway.count("/") == 1):
            raise DeploymentError(
                f"{self.name}: expected for {STANDARD} mode the host name that callers use and a Gateway as "
                f"namespace/name; found hostname {self.hostname!r} and gateway {self.gateway!r}."
            )
        if self.address and not _ADDRESS.fullmatch(self.address):
            raise DeploymentError(
                f"{self.name}: expected an address of callers without a path, such as https://rank.example.com:8443; "
                f"found {self.address!r:.80}."
            )


def deployment_of(model: str, version: str, tracking_uri: str, settings: Mapping[str, Any]) -> Deployment:
    """The deployment of a model by settings: fields of ``Deployment`` by name, ``limits`` as an object.

    Raises DeploymentError for an unknown name, a value of another type, and a registry that pods cannot reach.
    """
    check_tracking(tracking_uri)
    given = dict(check_settings(settings))
    if "replicas" in given:
        given["replicas"] = tuple(given["replicas"])
    if isinstance(given.get("limits"), dict):
        given["limits"] = parse_limits(json.dumps(given["limits"]), "endpoint: limits")
    return Deployment(model, version, tracking_uri=tracking_uri, **given)


def check_tracking(uri: str) -> None:
    """Raise DeploymentError for an address of a registry that pods cannot reach, or with a password: manifests and
    parameters of runs repeat it.
    """
    if "@" in uri.split("://")[-1].split("/")[0]:
        raise DeploymentError(
            "--tracking-uri: expected an address without a password; found one. Put MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD into the secret."
        )
    if not uri.startswith(("http://", "https://")):
        found = uri or "none"
        raise DeploymentError(f"--tracking-uri: expected an MLflow server that the cluster reaches too; found {found}.")


def check_settings(settings: Mapping[str, Any], source: str = "endpoint") -> Mapping[str, Any]:
    """The settings, unchanged. Raises DeploymentError, which begins with ``source``, for one that is not valid."""
    known = {one.name: one.type for one in fields(Deployment)}
    for reserved in ("model", "version", "digest", "tracking_uri"):
        del known[reserved]
    for name, value in settings.items():
        if name not in known:
            raise DeploymentError(f"{source}: expected settings ({', '.join(known)}); found {name!r:.40}.")
        if not _fits(name, value):
            wanted = getattr(known[name], "__name__", known[name])
            raise DeploymentError(f"{source}: expected {wanted} as {name}; found {value!r:.60}.")
    return settings


def _fits(name: str, value: object) -> bool:
    if name == "replicas":
        pair = list(value) if isinstance(value, list | tuple) else []
        whole = all(isinstance(one, int) and not isinstance(one, bool) for one in pair)
        return len(pair) == 2 and whole and 0 <= pair[0] <= pair[1] and pair[1] > 0
    if name == "ready_seconds":
        return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if name == "limits":
        return value is None or isinstance(value, dict | Limits)
    return isinstance(value, str)


def add_endpoint(command: argparse.ArgumentParser) -> None:
    """Add the option that holds all settings of a deployment on a cluster."""
    command.add_argument(
        "--endpoint", type=Path, help="JSON file: settings of the cluster's endpoint (docs/operations.md lists them)"
    )


def endpoint_of(options: argparse.Namespace) -> dict[str, Any]:
    """Read the file of ``--endpoint``; {} without the option. Raises DeploymentError."""
    file: Path | None = options.endpoint
    if file is None:
        return {}
    try:
        document = json_object(file, "--endpoint", f'{{"mode": "{STANDARD}"}}')
    except EndpointError as error:
        raise DeploymentError(str(error)) from None
    source = f"--endpoint {file}"
    settings = dict(check_settings(document, source))
    try:  # now: a deploy step reads them at the end of a run, hours later
        deployment_of("endpoint", "", Deployment.tracking_uri, settings).check_choices()
    except (DeploymentError, EndpointError) as error:
        raise DeploymentError(f"{source}: {error}") from None
    return settings
