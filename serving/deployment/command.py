"""``python -m serving canary|promote|rollback|manifest``: commands that change which version gets how much traffic."""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from serving.deployment import model_options
from serving.deployment.cluster import Cluster
from serving.deployment.embedded import Embedded
from serving.deployment.errors import DeploymentError
from serving.deployment.inference_service import Deployment, inference_service, to_yaml
from serving.deployment.rollout import Rollout, Target
from serving.settings.limits import Limits, read_limits
from serving.versions.registry import Registry

if TYPE_CHECKING:
    from argparse import _SubParsersAction

COMMANDS = {
    "canary": "give a version that passed the gate a share of the traffic",
    "promote": "give the canary all traffic and make it the champion",
    "rollback": "take the traffic back: from the canary, or else to the version before",
    "manifest": "print the InferenceService of a version",
}


def add(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-commands and their options."""
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        model_options.add(command)
        add_target(command)
        if name == "canary":
            command.add_argument("--percent", type=int, default=10, help="share of the traffic, 1 to 99 (default: 10)")
        if name == "manifest":
            add_limits(command)
        if name != "rollback":
            default = {"canary": "the candidate", "promote": "the canary", "manifest": "the champion"}[name]
            command.add_argument("--version", help=f"version (default: {default})")


def add_target(command: argparse.ArgumentParser) -> None:
    """Add the options that select the deployment target."""
    command.add_argument("--target", choices=("embedded", "cluster"), default="embedded", help="default: this machine")
    command.add_argument("--namespace", default=Deployment.namespace, help="of the cluster (default: %(default)s)")
    command.add_argument("--image", default=Deployment.image, help="this repository's, on a cluster (%(default)s)")


def add_limits(command: argparse.ArgumentParser) -> None:
    """Add the option that limits what a server accepts."""
    command.add_argument(
        "--limits", type=Path, help="JSON file of serving.settings.limits.Limits (default: the current ones)"
    )


def limits(options: argparse.Namespace) -> Limits | None:
    """Read the file of ``--limits``; None without the option. Raises EndpointError."""
    file: Path | None = getattr(options, "limits", None)
    return None if file is None else read_limits(file)


def run(options: argparse.Namespace) -> int:
    """Run a sub-command and print the next step. Raises DeploymentError, EndpointError, RegistryError, VerdictError."""
    registry, name = model_options.find(options)
    if options.command == "manifest":
        version = options.version or registry.require_champion(name)
        deployment = replace(_deployment(options, name, version), digest=registry.digest(name, version))
        print(to_yaml(inference_service(deployment)), end="")
        return 0
    chosen = target(options, registry, name)
    rollout = Rollout(chosen, registry, name)
    if options.command == "canary":
        version = rollout.canary(options.version, options.percent)
        print(f"canary: version {version} has {options.percent} % of the traffic")
        after = "status; then canary --percent with more, promote, or rollback"
    elif options.command == "promote":
        print(f"promote: version {rollout.promote(options.version)} has all traffic, and is the champion")
        after = "status; rollback, if it was a mistake"
    else:
        print(f"rollback: version {rollout.rollback()} has no traffic any more")
        after = "status; the next version begins with canary again"
    print(f"next: python -m serving {after}")
    return 0


def target(options: argparse.Namespace, registry: Registry, name: str) -> Target:
    """The deployment target that the options select."""
    if options.target == "embedded":
        return Embedded(options.state, registry, name)
    return cluster(options, registry, name, "")


def cluster(options: argparse.Namespace, registry: Registry, name: str, version: str) -> Cluster:
    """The cluster of the current kubeconfig. Raises DeploymentError where there is none."""
    from kserve import KServeClient
    from kubernetes.config import ConfigException  # type: ignore[import-untyped]

    deployment = _deployment(options, name, version)
    try:
        client = KServeClient()
    except (ConfigException, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DeploymentError(
            f"cluster: expected a kubeconfig that can be used; found {reason}. Set KUBECONFIG."
        ) from None
    return Cluster(client, deployment, digest_of=partial(registry.digest, name))


def _deployment(options: argparse.Namespace, name: str, version: str) -> Deployment:
    """Raises DeploymentError unless the registry is an MLflow server, which the pods can reach as well."""
    uri = options.tracking_uri or ""
    if not uri.startswith(("http://", "https://")):
        found = uri or "none"
        raise DeploymentError(f"--tracking-uri: expected an MLflow server that the cluster reaches too; found {found}.")
    image, namespace = options.image, options.namespace
    return Deployment(name, version, image, namespace, tracking_uri=uri, limits=limits(options))
