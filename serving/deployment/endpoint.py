"""Endpoint of a state folder: start, replace, inspect and stop it. Its record is endpoint/endpoint.json."""

from pathlib import Path

from serving.deployment.embedded import START_SECONDS, Embedded, EndpointOptions
from serving.deployment.endpoint_state import Status, down, requests, served_versions, status
from serving.deployment.record import Endpoint
from serving.deployment.rollout import Rollout
from serving.versions.registry import Registry

__all__ = ["Endpoint", "EndpointOptions", "Status", "canary", "down", "requests", "served_versions", "status", "up"]


def up(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str | None = None,
    store_config: Path | None = None,
    seconds: float = START_SECONDS,
    options: EndpointOptions | None = None,
) -> Endpoint:
    """Serve a registered version (None = the champion) with all traffic, and return once it is healthy.

    The version served so far keeps serving until the new one is healthy, so that no request fails. ``store_config``: a
    feature_store.yaml with absolute paths (None = the state folder's). ``options``: address, token and limits; None
    keeps the current ones. Raises RegistryError for a version that is unknown or fails verification, EndpointError
    (with the log's last lines) where the server does not become healthy within ``seconds``.
    """
    registry = Registry(tracking_uri)
    version = version or registry.require_champion(name)
    target = Embedded(state, registry, name, seconds, store_config, options)
    Rollout(target, registry, name).up(version)
    return target.address()


def canary(
    state: Path,
    tracking_uri: str,
    name: str,
    version: str,
    percent: int,
    store_config: Path | None = None,
    seconds: float = START_SECONDS,
) -> Endpoint:
    """Give a version that passed the gate a share of the traffic; the champion keeps the rest.

    The champion is started first where nothing is served. Raises VerdictError where the version did not pass the gate,
    DeploymentError where a version other than the champion is served; otherwise as ``up``.
    """
    registry = Registry(tracking_uri)
    target = Embedded(state, registry, name, seconds, store_config)
    Rollout(target, registry, name).begin(version, percent)
    return target.address()
