"""``python -m pipelines verdict``: the newest verdict of a product's monitors, with an exit status of its own."""

import argparse
import getpass
import json
from typing import Any

from models.storage import join, names
from monitoring.acceptance import accept
from monitoring.errors import VerdictError
from monitoring.verdict import EXIT_CODES
from monitoring.verdicts import newest_verdict, next_command, page
from pipelines.commands.values import add_state
from pipelines.errors import SettingsError


def add_verdict(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    codes = ", ".join(f"{code} {state.value}" for state, code in EXIT_CODES.items())
    command = commands.add_parser(
        "verdict",
        help="print the newest verdict of a product's monitors",
        description="Print the newest verdict of the pipeline monitoring, or accept a data fault of it that is wanted: "
        f"the days since it began are the new normal. Exit status: {codes}; 1 without a verdict.",
    )
    add_state(command)
    command.add_argument("--storage", help="address of the product's files on a cluster, as of submit --storage")
    command.add_argument("--product", help="the product's name (default: the only one that has verdicts)")
    command.add_argument("--json", action="store_true", help="print the verdict as JSON, with the next command")
    command.add_argument("--accept", metavar="CAUSE", help="a data fault of the verdict that is wanted; needs --reason")
    command.add_argument(
        "--subject",
        action="append",
        default=[],
        help="with --accept: what the fault is about, as the verdict names it; may be given again; needed where the "
        "verdict has several of the cause",
    )
    command.add_argument("--reason", default="", help="with --accept: why it is wanted")
    command.add_argument("--by", help="with --accept: who says so (default: the name of this login)")
    command.set_defaults(run=_verdict)


def _verdict(options: argparse.Namespace) -> int:
    storage = options.storage or str(options.state.resolve())
    product = options.product or _only_product(storage)
    if options.accept:
        accept(storage, product, options.accept, options.reason, options.by or _login(), options.subject)
    elif options.reason or options.by or options.subject:
        raise SettingsError("--reason, --by, --subject: expected them with --accept CAUSE; found none. Name the cause")
    found = newest_verdict(storage, product)
    if found is None:
        raise VerdictError(
            f"{product}: expected a verdict in {storage}; found none. Run python -m pipelines local --pipeline "
            "monitoring"
        )
    if options.json:
        command = next_command(found, product, storage)
        print(json.dumps({**found.to_json(), "product": product, "next": command}, indent=2))
    else:
        print(page(product, found, storage))
    return EXIT_CODES[found.state]


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container, a user may have no name
        raise SettingsError("--by: expected who accepts; found no login name here. Give one") from None


def _only_product(storage: str) -> str:
    """The product that has verdicts. Raises VerdictError if there is none, or several."""
    products = names(join(storage, "monitoring"))
    if len(products) != 1:
        raise VerdictError(
            f"--product: expected the one product with verdicts in {storage}; found {', '.join(products) or 'none'}. "
            "Name one, or run python -m pipelines local --pipeline monitoring first"
        )
    return products[0]
