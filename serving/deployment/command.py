"""``python -m serving up|canary|promote|rollback|status|down|manifest``: what is served, with how much traffic."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from serving.deployment import endpoint, model_options
from serving.deployment.cluster import open_cluster
from serving.deployment.cluster_settings import STANDARD, Deployment, add_endpoint, deployment_of, endpoint_of
from serving.deployment.embedded import Embedded
from serving.deployment.http_route import http_route, service_name
from serving.deployment.inference_service import inference_service, to_yaml
from serving.deployment.knative import Knative
from serving.deployment.rollout import Rollout, Target
from serving.deployment.standard import Standard
from serving.deployment.vector_age import vector_age
from serving.errors import RegistryError
from serving.settings.limits import Limits, read_limits
from serving.versions.registry import Registry

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_EMBEDDED, _CLUSTER = "embedded", "cluster"
COMMANDS = {
    "up": "serve a version in place of the current one, without failing a request",
    "canary": "give a version that passed the gate a share of the traffic",
    "promote": "give the canary all traffic and make it the champion",
    "rollback": "take the traffic back: from the canary, or else to the version before",
    "status": "show which versions are served, and whether they are up",
    "down": "stop serving",
    "manifest": "print what a cluster gets for a version",
}
_VERSIONS = {"up": "the champion", "canary": "the candidate", "promote": "the canary", "manifest": "the champion"}


def add(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-commands and their options."""
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        model_options.add(command)
        _add_target(command)
        if name == "canary":
            command.add_argument("--percent", type=int, default=10, help="share of the traffic, 1 to 99 (default: 10)")
        if name in ("up", "manifest"):
            command.add_argument(
                "--limits", type=Path, help="JSON file of serving.settings.limits.Limits (default: the current ones)"
            )
        if name in _VERSIONS:
            command.add_argument("--version", help=f"version (default: {_VERSIONS[name]})")
        if name == "up":
            _add_listening(command)


def run(options: argparse.Namespace) -> int:
    """Run a sub-command and print the next step; return the exit status.

    Raises DeploymentError, EndpointError, RegistryError, VerdictError.
    """
    if options.target == _EMBEDDED and options.command == "down":
        return _print_down(options, _embedded_down(options))
    if options.target == _EMBEDDED and options.command == "status":
        return _embedded_status(options)
    registry, name = model_options.find(options)
    if options.command == "manifest":
        return _manifest(options, registry, name)
    if options.target == _EMBEDDED and options.command == "up":
        return _embedded_up(options, registry, name)
    chosen = target(options, registry, name)
    if options.command == "status":
        return _cluster_status(options, chosen, registry, name)
    rollout = Rollout(chosen, registry, name)
    if options.command == "down":
        return _print_down(options, rollout.down())
    if options.command == "up":
        version = options.version or registry.require_champion(name)
        address = rollout.up(version)
        print(f"up: {name} version {version} on the cluster\n{address.url}\ngRPC {address.grpc or 'not reachable'}")
        print(model_options.next_step(options, "status", ", or canary --version V"))
        return 0
    _change(options, rollout)
    return 0


def limits(options: argparse.Namespace) -> Limits | None:
    """Read the file of ``--limits``; None without the option. Raises EndpointError."""
    file: Path | None = getattr(options, "limits", None)
    return None if file is None else read_limits(file)


def target(options: argparse.Namespace, registry: Registry, name: str) -> Target:
    """The deployment target that the options select."""
    if options.target == _EMBEDDED:
        return Embedded(options.state, registry, name)
    return cluster(options, registry, name)


def cluster(options: argparse.Namespace, registry: Registry, name: str) -> Knative | Standard:
    """The target on the cluster of the current kubeconfig. Raises DeploymentError where there is none."""
    return open_cluster(_deployment(options, name, ""), registry)


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument("--target", choices=(_EMBEDDED, _CLUSTER), default=_EMBEDDED, help="default: this machine")
    command.add_argument("--namespace", help=f"of the cluster (default: {Deployment.namespace})")
    command.add_argument("--image", help=f"this repository's, on a cluster (default: {Deployment.image})")
    add_endpoint(command)


def _add_listening(command: argparse.ArgumentParser) -> None:
    """Options of ``up`` on this machine."""
    command.add_argument("--port", type=int, help="port of HTTP and gRPC (default: the current one, or a free one)")
    command.add_argument("--host", help="address to listen at (default: the current one, or this machine only)")
    command.add_argument("--store-config", type=Path, help="feature_store.yaml with absolute paths")
    command.add_argument(
        "--token-file",
        help="file with the token that clients must send; '' for none (default: the current one, or none)",
    )


def _deployment(options: argparse.Namespace, name: str, version: str) -> Deployment:
    """The deployment that the options describe; an option of its own goes before the file of ``--endpoint``."""
    given = {key: getattr(options, key) for key in ("namespace", "image") if getattr(options, key)}
    found = limits(options)
    settings = endpoint_of(options) | given | ({} if found is None else {"limits": found})
    return deployment_of(name, version, options.tracking_uri or "", settings)


def _manifest(options: argparse.Namespace, registry: Registry, name: str) -> int:
    from dataclasses import replace

    version = options.version or registry.require_champion(name)
    deployment = replace(_deployment(options, name, version), digest=registry.digest(name, version))
    if deployment.mode == STANDARD:
        service = inference_service(deployment, name=service_name(deployment, version))
        print(to_yaml(service, http_route(deployment, {version: 100})), end="")
    else:
        print(to_yaml(inference_service(deployment)), end="")
    return 0


def _change(options: argparse.Namespace, rollout: Rollout) -> None:
    if options.command == "canary":
        version = rollout.canary(options.version, options.percent)
        print(f"canary: version {version} has {options.percent} % of the traffic")
        after = "; then canary --percent with more, promote, or rollback"
    elif options.command == "promote":
        print(f"promote: version {rollout.promote(options.version)} has all traffic, and is the champion")
        after = "; rollback, if it was a mistake"
    else:
        print(f"rollback: version {rollout.rollback()} has no traffic any more")
        after = "; the next version begins with canary again"
    print(model_options.next_step(options, "status", after))


def _embedded_up(options: argparse.Namespace, registry: Registry, name: str) -> int:
    listening = endpoint.EndpointOptions(options.host, options.port, options.token_file, limits=limits(options))
    served = endpoint.up(
        options.state, registry.tracking_uri, name, options.version, options.store_config, options=listening
    )
    print(f"up: {served.name} version {served.version}\n{served.url}\ngRPC {served.grpc}")
    print(model_options.next_step(options, "status", ", or canary --version V"))
    return 0


def _embedded_down(options: argparse.Namespace) -> bool:
    """Stop the endpoint, with or without a registry; return whether it was running."""
    try:
        registry, name = model_options.find(options)
    except RegistryError:
        return endpoint.down(options.state)
    return Rollout(Embedded(options.state, registry, name), registry, name).down()


def _print_down(options: argparse.Namespace, stopped: bool) -> int:
    print("down: stopped" if stopped else "down: was not running")
    print(model_options.next_step(options, "up"))
    return 0


def _embedded_status(options: argparse.Namespace) -> int:
    found = endpoint.status(options.state)
    if found.endpoint is None:
        print(f"down\n{model_options.next_step(options, 'up')}")
        return 3
    print(f"{found.state}: {found.endpoint.name} version {found.endpoint.version}\n{found.endpoint.url}")
    for worker, requests in endpoint.requests(options.state, found.endpoint):
        print(f"version {worker.version}: {worker.percent} % of the traffic, {requests} requests so far")
        print(vector_age(worker))
    print(_after(options, bool(found.endpoint.canary)))
    return 0 if found.state == "up" else 3


def _cluster_status(options: argparse.Namespace, chosen: Target, registry: Registry, name: str) -> int:
    state = chosen.state()
    if state == "down":
        print(f"down\n{model_options.next_step(options, 'up')}")
        return 3
    shares, address = chosen.traffic(), chosen.address()
    print(f"{state}: {name} version {chosen.version()}\n{address.url}\ngRPC {address.grpc or 'not reachable'}")
    for version, percent in shares.items():
        print(f"version {version}: {percent} % of the traffic")
    aliases = {"champion": registry.champion(name), "previous": registry.previous(name)}
    print(", ".join(f"{alias}: version {version}" for alias, version in aliases.items() if version) or "no champion")
    print(_after(options, len(shares) > 1))
    return 0 if state == "up" else 3


def _after(options: argparse.Namespace, canary: bool) -> str:
    """What comes after looking at the status."""
    return model_options.next_step(options, *(("promote", ", or rollback") if canary else ("canary --version V", "")))
