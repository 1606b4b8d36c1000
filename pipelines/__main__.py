"""``python -m pipelines local|check|compile|submit|schedule|history|verdict|prune``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import models.garbage  # noqa: F401 - first: what follows is imported faster
from models.command_line import run_command
from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.commands.check import add_check
from pipelines.commands.history import add_history
from pipelines.commands.prune import add_prune
from pipelines.commands.schedule import add_schedule
from pipelines.commands.submit import add_submit
from pipelines.commands.values import acting, add_acting, add_canary, add_settings, add_state, settings
from pipelines.commands.verdict import add_verdict
from pipelines.data import DATA_HELP
from pipelines.errors import BUSY, BusyError
from pipelines.local import run_local


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    return run_command(
        _parser,
        lambda options: options.run(options),
        argv,
        status=lambda error: BUSY if isinstance(error, BusyError) else 1,
    )


def _local(options: argparse.Namespace) -> int:
    canary = {"canary_percent": options.canary_percent} if options.pipeline == "training" else {}
    run_local(options.pipeline, options.spec, options.data, options.state, {**canary, **acting(options)})
    return 0


def _compile(options: argparse.Namespace) -> int:
    found = settings(options)
    for name in PIPELINES:
        print(compile_pipeline(name, options.folder / f"{name}.yaml", found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="local|check|compile|submit|schedule|history|verdict|prune")

    local = commands.add_parser("local", help="run a pipeline on this machine, in subprocesses")
    local.add_argument("--pipeline", choices=PIPELINES, default="training")
    local.add_argument("--spec", type=Path, default=Path("configs/professional.yaml"))
    local.add_argument("--data", help=DATA_HELP)
    add_state(local)
    add_canary(local)
    add_acting(local)
    local.set_defaults(run=_local)

    compiled = commands.add_parser("compile", help="write every pipeline as YAML for a cluster")
    compiled.add_argument("--folder", type=Path, default=Path("build/pipelines"))
    add_settings(compiled)
    compiled.set_defaults(run=_compile)

    add_check(commands)
    add_submit(commands)
    add_schedule(commands)
    add_history(commands)
    add_verdict(commands)
    add_prune(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
