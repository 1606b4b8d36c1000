"""``python -m serving``: the endpoint of this machine or of a cluster, versions of a model, packages of them."""

import argparse
import sys
from itertools import islice

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.command_line import run_command
from serving.deployment import command as deployment
from serving.deployment import model_options
from serving.packages import command as packages
from serving.versions.signing import SIGNING_KEY, VERIFY_KEY, new_keys

_VERSIONS = 10
"""How many ``versions`` lists."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, 1 for a failure, 3 if ``status`` finds an endpoint that is not up."""
    return run_command(_parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    commands = {"versions": _versions, "package": packages.run, "keys": _keys, "sign": _sign}
    return commands.get(options.command, deployment.run)(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description="Serve versions of a model.")
    commands = parser.add_subparsers(dest="command", required=True)
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


def _versions(options: argparse.Namespace) -> int:
    registry, name = model_options.find(options)
    roles = {registry.candidate(name): " (candidate)", registry.previous(name): " (previous)"}
    roles |= {registry.canary(name): " (canary)", registry.champion(name): " (champion)"}
    print(f"{name}: decisions of the gate, newest first")
    for version, decision in islice(registry.decisions(name).items(), _VERSIONS):
        print(f"version {version}: {decision or 'not judged'}{roles.get(version, '')}")
    print(model_options.next_step(options, "canary --version V", ", for a version with the decision promote"))
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
