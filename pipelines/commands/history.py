"""``python -m pipelines history``: what ran, how it ended, and what it changed."""

import argparse
import json
from typing import Any

from models.addresses import sqlite_address
from pipelines.commands.values import add_state
from pipelines.errors import RunError
from pipelines.history import champions, failures, history, table


def add_history(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    command = commands.add_parser("history", help="what ran, how it ended, and what it changed")
    add_state(command)
    command.add_argument("--tracking-uri", help="address of MLflow, to show a product's runs on a cluster")
    command.add_argument("--product", help="the product's name, with --tracking-uri")
    command.add_argument("--json", action="store_true", help="print a JSON list of runs")
    command.set_defaults(run=_history)


def _history(options: argparse.Namespace) -> int:
    if (options.tracking_uri is None) != (options.product is None):
        raise RunError("expected --tracking-uri and --product together, or neither; found one. Give both, or --state")
    database = options.state / "mlflow" / "mlflow.db"
    state = None if options.tracking_uri else options.state
    known = options.tracking_uri is not None or database.is_file()
    address = options.tracking_uri or sqlite_address(database)
    past = history(address, options.product, state) if known else []
    if options.json:
        print(json.dumps([one.to_json() for one in past], indent=2))
        return 0
    notes = list(failures(options.state)) if state else []
    if past:
        print(table(past))
        notes += champions(address, (one.product for one in past))
    elif state is None:
        print(f"no runs of {options.product} at {address}")
    else:
        print(f"no runs in {state}; python -m pipelines local --state {state} starts one")
    for line in notes:
        print(line)
    return 0
