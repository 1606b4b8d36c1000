"""``python -m serving``: the endpoint of this machine or of a cluster, versions of a model, packages of them."""

import argparse
import sys
from itertools import islice
from pathlib import Path

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.system import system_error
from serving.deployment import command as deployment
from serving.deployment import endpoint, model_options
from serving.deployment.errors import DeploymentError, VerdictError
from serving.deployment.vector_age import vector_age
from serving.errors import EndpointError, RegistryError, UnavailableError
from serving.packages import command as packages
from serving.packages.errors import PackageError
from serving.versions.signing import SIGNING_KEY, VERIFY_KEY, new_keys

_VERSIONS = 10
"""How many ``versions`` lists."""
_ERRORS = (DeploymentError, EndpointError, PackageError, RegistryError, UnavailableError, VerdictError)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, 1 for a failure, 3 if ``status`` finds an endpoint that is not up."""
    options = _parser().parse_args(arguments)
    commands = {"up": _up, "down": _down, "status": _status, "versions": _versions, "package": packages.run}
    commands |= {"keys": _keys, "sign": _sign}
    try:
        return commands.get(options.command, deployment.run)(options)
    except _ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        message = system_error(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve versions of a model.")
    commands = parser.add_subparsers(dest="command", required=True)
    summary = "serve a version in place of the current one, without failing a request"
    up = commands.add_parser("up", help=summary, description=summary)
    model_options.add(up)
    deployment.add_target(up)
    up.add_argument("--version", help="version (default: the champion)")
    up.add_argument("--port", type=int, help="port of HTTP and gRPC (default: the current one, or a free one)")
    up.add_argument("--host", help="address to listen at (default: the current one, or this machine only)")
    up.add_argument("--store-config", type=Path, help="feature_store.yaml with absolute paths")
    up.add_argument(
        "--token-file",
        help="file with the token that clients must send; '' for none (default: the current one, or none)",
    )
    deployment.add_limits(up)
    summary = "stop serving on this machine"
    down = commands.add_parser("down", help=summary, description=summary)
    down.add_argument("--state", type=Path, default=Path("state"), help="state folder (default: state)")
    summary = "show which versions are served, and whether they are up"
    status = commands.add_parser("status", help=summary, description=summary)
    model_options.add(status)
    deployment.add_target(status)
    summary = "list the registered versions with the gate's decisions"
    model_options.add(commands.add_parser("versions", help=summary, description=summary))
    summary = "print a new pair of keys: a secret key to sign versions, a public key to verify them"
    commands.add_parser("keys", help=summary, description=summary)
    summary = f"sign a registered version with the key of {SIGNING_KEY}"
    sign = commands.add_parser("sign", help=summary, description=summary)
    model_options.add(sign)
    sign.add_argument("--version", help="version (default: the champion)")
    deployment.add(commands)
    packages.add(commands)
    return parser


def _up(options: argparse.Namespace) -> int:
    registry, name = model_options.find(options)
    if options.target == "cluster":
        version = options.version or registry.require_champion(name)
        deployment.cluster(options, registry, name, version).apply()
        print(f"up: {name} version {version} on the cluster\nnext: python -m serving status --target cluster")
        return 0
    served = endpoint.up(
        options.state,
        registry.tracking_uri,
        name,
        options.version,
        options.store_config,
        options=endpoint.EndpointOptions(
            options.host, options.port, options.token_file, limits=deployment.limits(options)
        ),
    )
    print(f"up: {served.name} version {served.version}\n{served.url}\ngRPC {served.grpc}")
    print("next: python -m serving status, or canary --version V")
    return 0


def _down(options: argparse.Namespace) -> int:
    print("down: stopped" if endpoint.down(options.state) else "down: was not running")
    print("next: python -m serving up")
    return 0


def _status(options: argparse.Namespace) -> int:
    if options.target == "cluster":
        registry, name = model_options.find(options)
        for revision, percent in deployment.cluster(options, registry, name, "").traffic().items():
            print(f"{revision}: {percent} % of the traffic")
        return 0
    found = endpoint.status(options.state)
    if found.endpoint is None:
        print("down\nnext: python -m serving up")
        return 3
    print(f"{found.state}: {found.endpoint.name} version {found.endpoint.version}\n{found.endpoint.url}")
    for worker, requests in endpoint.requests(options.state, found.endpoint):
        print(f"version {worker.version}: {worker.percent} % of the traffic, {requests} requests so far")
        print(vector_age(worker))
    print("next: python -m serving " + ("promote, or rollback" if found.endpoint.canary else "canary --version V"))
    return 0 if found.state == "up" else 3


def _versions(options: argparse.Namespace) -> int:
    registry, name = model_options.find(options)
    roles = {registry.candidate(name): " (candidate)", registry.champion(name): " (champion)"}
    print(f"{name}: decisions of the gate, newest first")
    for version, decision in islice(registry.decisions(name).items(), _VERSIONS):
        print(f"version {version}: {decision or 'not judged'}{roles.get(version, '')}")
    print("next: python -m serving canary --version V, for a version with the decision promote")
    return 0


def _keys(options: argparse.Namespace) -> int:
    secret, public = new_keys()
    print(f"{SIGNING_KEY}={secret}\n{VERIFY_KEY}={public}")
    print(
        "next: keep the secret key where versions are registered, set the public one where they are served",
        file=sys.stderr,
    )
    return 0


def _sign(options: argparse.Namespace) -> int:
    registry, name = model_options.find(options)
    version = options.version or registry.require_champion(name)
    print(f"signed: {name} version {version}, digest {registry.sign(name, version)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
