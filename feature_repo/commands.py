"""Commands of ``python -m feature_repo``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from feature_repo.applied import CONFIG, project_for, require_applied, storage_of
from feature_repo.outcomes.row import OutcomeError
from models.clock import LONGEST_DAYS
from models.command_line import DEFAULT_STATE, run_command
from models.time_units import MICROSECOND, length, microseconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status: 0, or 1 after printing one line with the error."""
    return run_command(_parser, _run, arguments, expected=_expected_errors)


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return int(options.run(options))


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors of others that end a command with one line instead of a traceback, besides those of the system."""
    from redis.exceptions import RedisError

    return RedisError, UnicodeError


def _push(options: argparse.Namespace) -> int:
    from feature_repo.stream.push import push_file

    if options.outcomes:
        return _push_outcomes(options)
    if not options.table or not options.file:
        raise OutcomeError("push: expected --table TABLE --file FILE, or outcomes FILE; found neither")
    store = _open(options)
    require_applied(store)
    print(push_file(store, options.table, options.file))
    return 0


def _push_outcomes(options: argparse.Namespace) -> int:
    from feature_repo.outcomes.read_file import read_outcomes
    from models import outcome_parts

    if options.outcomes[0] != "outcomes" or len(options.outcomes) != 2 or options.table or options.file:
        raise OutcomeError(f"push: expected outcomes FILE; found {' '.join(options.outcomes)!r:.200}")
    store = _open(options)
    applied = require_applied(store)
    outcomes = read_outcomes(applied.spec.tasks, options.outcomes[1])
    storage = storage_of(applied, store.project) or str(options.state.resolve())
    new = outcome_parts.push(outcome_parts.address_of(storage, applied.spec.name), outcomes)
    print(
        f"{len(outcomes):,} outcomes, {new:,} stored" + ("" if new or not outcomes else ": the same were pushed before")
    )
    return 0


def _materialize(options: argparse.Namespace) -> int:
    from feature_repo.materialise import materialize, refusal

    store = _open(options)
    spec = require_applied(store).spec
    done = materialize(store, spec, options.until, since_last=options.since_last, overlap=options.overlap)
    width = max(map(len, [*done, *done.refused]), default=0)
    for view, rows in done.items():
        print(f"{view:<{width}}  {rows:>12,} rows")
    for view, findings in done.refused.items():
        print(f"{view:<{width}}  REFUSED: {refusal(findings)}")
    for view, rows in done.ahead.items():
        print(f"{view:<{width}}  {rows:>12,} rows ahead of the clock left out")
    return 1 if done.refused else 0


def _repair(options: argparse.Namespace) -> int:
    from feature_repo.repair import repair

    store = _open(options)
    found = repair(store, require_applied(store))
    if not found:
        print("no row is ahead of the clock")
        return 0
    width = max(map(len, found))
    for view, done in found.items():
        print(f"{view:<{width}}  {done.repaired:>12,} rows repaired  {done.removed:>12,} removed")
    removed = sum(done.removed for done in found.values())
    print(f"{sum(done.repaired for done in found.values()):,} rows repaired, {removed:,} removed. ", end="")
    print("Now run materialize" + (" (vectors: the pipeline `refresh`)." if removed else "."))
    return 0


def _forget(options: argparse.Namespace) -> int:
    from feature_repo.forget import forget, readmit
    from feature_repo.forget_report import report
    from feature_repo.slots import read_slots
    from feature_repo.store import open_store

    store = _open(options)

    def other(project: str) -> Any:
        return open_store(_config(options), options.state, project)

    if options.undo:
        found = readmit(store, options.member, other)
        print("its rows are taken again from the next ingest on" if found else "it was not forgotten")
        return 0
    served = options.served or options.state / "endpoint" / "served"
    done = forget(store, options.member, other, served, options.dry_run)
    print(report(done, read_slots(store), options.dry_run))
    return 0


def _init(options: argparse.Namespace) -> int:
    from feature_repo.sources.guess import guess

    print("\n".join(guess(options.folder, options.out)))
    return 0


def _time(text: str) -> int:
    """Microseconds UTC of a time in ISO-8601 with a zone."""
    expected = "expected a time in ISO-8601 with a zone, such as 2026-01-06T12:00:00Z, from 1970 to 2199"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{expected}; found {text!r:.200}") from None
    if time.tzinfo is None or not 1970 <= time.year < 2200:
        raise argparse.ArgumentTypeError(f"{expected}; found {text!r:.200}")
    return microseconds(time)


def _duration(text: str) -> timedelta:
    """A duration such as 60s, 10m, 6h or 3d."""
    try:
        return length(text, LONGEST_DAYS, zero=True) * MICROSECOND
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _open(options: argparse.Namespace) -> Any:
    """The store of the command's product, which must have been applied before."""
    from feature_repo.store import open_store

    config = _config(options)
    project = project_for(config, options.state, options.product)  # before Feast, which takes seconds to import
    return open_store(config, options.state, project)


def _config(options: argparse.Namespace) -> Path:
    return options.config or CONFIG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m feature_repo", description="The feature store of a product.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    latest = commands.add_parser(
        "materialize", help="write the newest values of every online view, past the quality gate"
    )
    _common(latest)
    until = "time in ISO-8601 with a zone, exclusive (default: after the last row)"
    latest.add_argument("--until", type=_time, help=until)
    latest.add_argument("--since-last", action="store_true", help="write only what arrived since the last run")
    latest.add_argument("--overlap", type=_duration, default="1d", help="how late rows may arrive (default: 1d)")
    latest.set_defaults(run=_materialize)

    first = commands.add_parser("init", help="write a first spec for a folder of tables")
    first.add_argument("folder", type=Path, help="folder with Parquet or CSV files, or folders of them")
    first.add_argument("--out", type=Path, help="the spec to write (default: configs/<folder>.yaml)")
    first.set_defaults(run=_init)

    fix = commands.add_parser("repair", help="remove rows ahead of the clock from the online store")
    _common(fix)
    fix.set_defaults(run=_repair)

    gone = commands.add_parser("forget", help="erase a member, and leave its rows out from now on")
    _common(gone)
    gone.add_argument("member", metavar="MEMBER", help="the member's key (after -- if it begins with a hyphen)")
    gone.add_argument("--served", type=Path, help="folder of the served log (default: the state folder's)")
    gone.add_argument("--dry-run", action="store_true", help="print what would be erased, and erase nothing")
    gone.add_argument("--undo", action="store_true", help="take the member's rows again from the next ingest on")
    gone.set_defaults(run=_forget)

    push = commands.add_parser("push", help="push rows of an event table: updates counters and last activities at once")
    _common(push)
    push.add_argument("--table", help="event table of the spec, such as impressions")
    push.add_argument("--file", help="rows as .json, .jsonl or .csv; - reads JSON lines from standard input")
    push.add_argument(
        "outcomes",
        nargs="*",
        metavar="outcomes FILE",
        help="instead: outcomes of served impressions, also as .parquet",
    )
    push.set_defaults(run=_push)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    state = "state folder of the embedded store (default: state)"
    command.add_argument("--state", type=Path, default=DEFAULT_STATE, help=state)
    command.add_argument("--config", type=Path, help="feature_store.yaml (default: the embedded one)")
    command.add_argument("--product", help="the product's name in its spec (default: the only one that was applied)")
