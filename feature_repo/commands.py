"""The commands of ``python -m feature_repo``: one function each."""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feature_repo.applied import Applied, applied_file, read_applied
from feature_repo.errors import NotAppliedError, QualityError, SourceError, TableError
from feature_repo.stores.errors import ConflictError, RetrievalInputError, RowInputError, UnsupportedError
from feature_repo.stream.errors import StreamError
from models.clock import ClockError, length_of
from models.spec import SpecError
from models.system import system_error

_KNOWN: tuple[type[Exception], ...] = (
    *(ClockError, NotAppliedError, QualityError, SourceError, SpecError, StreamError, TableError),
    *(ConflictError, RetrievalInputError, RowInputError, UnsupportedError),
    UnicodeError,
)
"""What a command ends with a line for; so it does for the system's and Redis's own errors."""
CONFIG = Path(__file__).resolve().parent / "feature_store.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 after a line that says what was wrong."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return int(options.run(options))
    except Exception as error:
        from redis.exceptions import RedisError

        said = str(error) if isinstance(error, (*_KNOWN, RedisError)) else system_error(error)
        if said is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        return 1


def _push(options: argparse.Namespace) -> int:
    from feature_repo.store import open_store
    from feature_repo.stream.push import push_file

    _applied(options.state)
    store = open_store(options.config, options.state)
    print(push_file(store, options.table, options.file))
    return 0


def _materialize(options: argparse.Namespace) -> int:
    from feature_repo.materialise import materialize, refusal
    from feature_repo.store import open_store

    spec = _applied(options.state).spec
    store = open_store(options.config, options.state)
    done = materialize(
        store, spec, options.until, state=options.state, since_last=options.since_last, overlap=options.overlap
    )
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
    from feature_repo.store import open_store

    applied = _applied(options.state)
    found = repair(open_store(options.config, options.state), applied, options.state)
    if not found:
        print("no row is ahead of the clock")
        return 0
    width = max(map(len, found))
    for view, done in found.items():
        print(f"{view:<{width}}  {done.mended:>12,} rows mended  {done.removed:>12,} removed")
    removed = sum(done.removed for done in found.values())
    print(f"{sum(done.mended for done in found.values()):,} rows mended, {removed:,} removed. ", end="")
    print("Now run materialize" + (" (vectors: the pipeline `refresh`)." if removed else "."))
    return 0


def _moment(text: str) -> int:
    """Microseconds UTC of a moment in ISO-8601; one without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year < 2200:
        raise argparse.ArgumentTypeError(f"expected a moment from 1970 to 2199; found {text!r}")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _length(text: str) -> timedelta:
    """A length such as 90s, 30m, 6h or 1d."""
    try:
        return length_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _applied(state: Path) -> Applied:
    applied = read_applied(state)
    if applied is None:
        raise NotAppliedError(
            f"{applied_file(state)}: expected a note of the tables that were applied; found none. Run `make demo` first"
        )
    return applied


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m feature_repo", description="A state folder's feature store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    latest = commands.add_parser("materialize", help="newest values of every online view, past the quality gate")
    _common(latest)
    latest.add_argument("--until", type=_moment, help="moment in ISO-8601, exclusive (default: after the last row)")
    latest.add_argument("--since-last", action="store_true", help="write only what arrived since the last run")
    latest.add_argument("--overlap", type=_length, default="1d", help="how late rows may arrive (default: 1d)")
    latest.set_defaults(run=_materialize)

    mend = commands.add_parser("repair", help="take rows ahead of the clock out of the online store")
    _common(mend)
    mend.set_defaults(run=_repair)

    push = commands.add_parser("push", help="push rows of an event table: counters and last activities move at once")
    _common(push)
    push.add_argument("--table", required=True, help="event table of the spec, such as impressions")
    push.add_argument("--file", required=True, help="rows as .json, .jsonl or .csv; - = JSON lines from standard input")
    push.set_defaults(run=_push)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state", type=Path, default=Path("state"), help="state folder (default: state)")
    command.add_argument("--config", type=Path, default=CONFIG, help="feature_store.yaml (default: the embedded one)")
