"""``python -m tests.rehearsal``: builds the images, starts the cluster, runs the scenarios, prints the table."""

import argparse
import os
import signal
import sys

from deploy.images.build import build, name_of
from deploy.images.errors import ImageError
from tests.rehearsal.acting import acting
from tests.rehearsal.clients import load
from tests.rehearsal.engine import Engine, EngineError
from tests.rehearsal.failures import failing_runs
from tests.rehearsal.kills import killed_pods
from tests.rehearsal.products import tiny_product
from tests.rehearsal.rehearse import Rehearsal, answered, first_training, looking, second_product, second_training
from tests.rehearsal.services import ServiceError, past_proxies
from tests.rehearsal.setting import setting
from tests.rehearsal.table import Table, expect

_IMAGES = ("serve", "pipeline")
_NEEDED = "1 a caller of the endpoint"
_SECONDS = 720.0
"""The most that the scenarios 1 to 4 may take together."""


def main() -> int:
    """Return 0 if every step held; 1 if one is broken, or the engine, an image or a service does not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal", description=__doc__)
    parser.add_argument("--only", type=int, choices=(1, 2, 3, 4, 5), help="scenario to end after (default: all)")
    parser.add_argument("--built", action="store_true", help="use the images that are there, whatever they hold")
    options = parser.parse_args()
    try:
        if not options.built:
            build(_IMAGES)
        Engine().check(*(name_of(target) for target in _IMAGES))
    except (EngineError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    os.environ.update(past_proxies(os.environ))
    table = Table()
    for sent in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sent, lambda number, _: sys.exit(128 + number))  # what runs is ended on the way out
    try:
        with setting() as running:
            rehearse(Rehearsal(running, table), options.only or 5)
    except ServiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table.last_line())
    return 0 if all(row.verdict == "held" for row in table.rows) else 1


def _in_time(table: Table) -> str:
    spent = table.seconds()
    expect(spent <= _SECONDS, f"expected {_SECONDS:.0f} s at most; found {spent:.0f} s")
    return f"{spent:.0f} s"


def rehearse(at: Rehearsal, last: int) -> None:
    """Run the scenarios up to the number ``last``."""
    first = tiny_product("professional", 7)
    caller = first_training(at, first)
    if last >= 2 and caller is not None:
        second_training(at, tiny_product("professional", 8), caller)
    elif last >= 2:
        at.table.run("2 a second training run", lambda: None, _NEEDED)
    if last >= 3 and caller is not None:
        looking(at, tiny_product("professional", 8), caller)
    elif last >= 3:
        at.table.run("3 pipelines that only look", lambda: None, _NEEDED)
    if last >= 4 and caller is not None:
        second_product(at, tiny_product("other", 7), first, caller)
    elif last >= 4:
        at.table.run("4 a second product", lambda: None, _NEEDED)
    at.table.run(f"scenarios within {_SECONDS:.0f} s", lambda: _in_time(at.table))
    if last >= 5 and caller is not None:
        with load(caller) as seen:
            killed_pods(at, tiny_product("professional", 9))
            acting(at, tiny_product("professional", 9), champion="3", previous="1")
            failing_runs(at, tiny_product("professional", 10))
        at.table.run("5 no failed and no cold request", lambda: answered(seen, 1000))
    elif last >= 5:
        at.table.run("5 failures", lambda: None, _NEEDED)


if __name__ == "__main__":
    sys.exit(main())
