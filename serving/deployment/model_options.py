"""Command-line options that select a registered model."""

import argparse
import shlex
from pathlib import Path

from models.addresses import sqlite_address
from models.command_line import DEFAULT_STATE, leading_options
from serving.deployment.record import last_served
from serving.errors import RegistryError
from serving.versions.registry import Registry


def add(command: argparse.ArgumentParser) -> None:
    """Add the options that select a model."""
    command.add_argument("--state", type=Path, default=DEFAULT_STATE, help="state folder (default: state)")
    command.add_argument("--model", help="registered model (default: the only one, or the one served last)")
    command.add_argument("--tracking-uri", help="MLflow (default: the state folder's database)")


def find(options: argparse.Namespace) -> tuple[Registry, str]:
    """Find the registry and the model. Raises RegistryError where there is no registry, or the model is ambiguous."""
    database = options.state / "mlflow" / "mlflow.db"
    if options.tracking_uri is None and not database.is_file():
        raise RegistryError(
            f"{database}: expected the registry of a run; found none. Name its state folder with --state, or run "
            "`make demo` first."
        )
    registry = Registry(options.tracking_uri or sqlite_address(database))
    names = registry.names() if options.model is None else [options.model]
    if len(names) == 1:
        return registry, names[0]
    last = last_served(options.state)
    if last is not None and last in names:
        return registry, last
    raise RegistryError(f"registry: expected one model; found {', '.join(names) or 'none'}. Name one with --model.")


def next_step(options: argparse.Namespace, command: str, rest: str = "") -> str:
    """The line that names the next command, with the options that lead to the same product."""
    leading = leading_options(options, "serving", command.split()[0])
    return f"next: python -m serving {shlex.join([*command.split(), *leading])}{rest}"
