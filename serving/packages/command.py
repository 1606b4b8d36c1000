"""``python -m serving package bentoml|torchserve``: package a registered version for another server."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from serving.deployment import model_options
from serving.packages.bento import build_bento
from serving.packages.contents import STATE
from serving.packages.errors import PackageError
from serving.packages.torchserve import WARNING, export_archive, start_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the sub-command and its options."""
    summary = "package a version for another server"
    kinds = commands.add_parser("package", help=summary, description=summary).add_subparsers(dest="kind", required=True)
    for kind, what in (("bentoml", "a bento"), ("torchserve", "a .mar; TorchServe is archived upstream")):
        command = kinds.add_parser(kind, help=what, description=what)
        model_options.add(command)
        command.add_argument("--output", type=Path, required=True, help="folder to write; must not exist")
        command.add_argument("--version", help="version (default: the champion)")
        if kind == "torchserve":
            command.add_argument("--accept-unmaintained", action="store_true", help="required: confirm that you know")


def run(options: argparse.Namespace) -> int:
    """Make the package and print how to start it. Raises RegistryError, PackageError."""
    if options.kind == "torchserve" and not options.accept_unmaintained:
        raise PackageError(f"{WARNING}\nNothing was written: add --accept-unmaintained to make it all the same.")
    registry, name = model_options.find(options)
    output, build = options.output.resolve(), build_bento if options.kind == "bentoml" else export_archive
    try:
        build(registry, name, options.version, output)
    except FileExistsError as error:
        raise PackageError(str(error)) from None
    if options.kind == "bentoml":
        quiet = f"BENTOML_DO_NOT_TRACK=True {STATE}={options.state.resolve()}"
        print(f"bento: {output}\nstart: {quiet} bentoml serve {output} --host 127.0.0.1 --port 3000")
    else:
        print(f"archive: {output / name}.mar\nWARNING: {WARNING}\nstart, in {output}: {start_line(name)}")
    return 0
