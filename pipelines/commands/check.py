"""``python -m pipelines check``: what a run would refuse, and a preview of the rows, in seconds."""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from pipelines.data import DATA_HELP, data_address


def add_check(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    command = commands.add_parser(
        "check",
        help="check a spec and its data before a run",
        description="Report what ingest, retrieval and training would refuse, with a preview of the rows and "
        "suggestions for the YAML. Trains nothing and leaves nothing behind. Exit status: 1 if a run would be "
        "refused, else 0.",
    )
    command.add_argument("spec", type=Path, metavar="SPEC", help="the YAML, such as configs/professional.yaml")
    command.add_argument("--data", help=DATA_HELP)
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    command.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    from feature_repo.checks.check import check_product
    from feature_repo.checks.page import page
    from feature_repo.checks.rows import Least
    from monitoring.obstacles import MINIMUM_MEMBERS, MINIMUM_OF_A_CLASS, MINIMUM_ROWS

    least = Least(MINIMUM_ROWS, MINIMUM_MEMBERS, MINIMUM_OF_A_CLASS)
    report = check_product(options.spec, data_address(options.data) or None, least)
    print(json.dumps(report.to_json(), indent=2) if options.json else page(report))
    if not (options.json or report.errors):
        data = ["--data", options.data] if options.data else []
        state = ["--state", f"state/{report.product}"]
        print("next: python -m pipelines local " + shlex.join(["--spec", str(options.spec), *data, *state]))
    return 1 if report.errors else 0
