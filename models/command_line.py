"""Where every command of this project ends: one line for an error, and no word where nobody reads any more."""

import os
import re
import select
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.system import is_ours, system_error

DEFAULT_STATE = Path("state")
STOPPED, UNREAD = 130, 141
"""Exit statuses of a command that was interrupted, and of one whose output has lost its reader, as in ``| head``."""
_REGISTERED = ("state", "model", "tracking_uri")
_DEPLOYED = ("target", *_REGISTERED, "namespace", "endpoint")
LEADING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "serving": {
        **dict.fromkeys(("up", "canary", "promote", "rollback", "status", "down"), _DEPLOYED),
        **dict.fromkeys(("versions", "sign", "package"), _REGISTERED),
    },
    "pipelines": dict.fromkeys(("local", "history", "verdict", "prune"), ("state",)),
    "feature_repo": dict.fromkeys(("materialize", "push", "repair", "forget"), ("state", "config", "product")),
}
"""By package and command: the options that lead to the same product, as the names of their values."""
_NAMED = re.compile(r"python -m (\w+) (\w+)\b")
_GIVEN = re.compile(r"(?: --[a-z-]+(?: (?!--)[^\s`();,]+)?)*")
"""The options, with their values, right behind a command that a message names."""
_DEFAULTS = {"state": str(DEFAULT_STATE), "target": "embedded"}


def run_command(
    parser: Callable[[], ArgumentParser],
    run: Callable[[Namespace], int],
    arguments: Sequence[str] | None = None,
    expected: Callable[[], tuple[type[Exception], ...]] = tuple,
    status: Callable[[Exception], int] = lambda error: 1,
) -> int:
    """Parse the arguments and run; return the exit status.

    An error of this project, of the system, or of a class of ``expected`` is one line on stderr, and ends with its
    ``status``; commands that it names carry the options that were given. Other errors are raised.
    """
    try:
        try:
            return _run(parser, run, arguments, expected, status)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _unread():
            raise
        return UNREAD


def leading_options(options: Namespace, package: str, command: str) -> list[str]:
    """Those of the given options that a command of a package needs to find the same product, but for defaults."""
    found: list[str] = []
    for name in LEADING.get(package, {}).get(command, ()):
        value = getattr(options, name, None)
        if value is not None and str(value) != _DEFAULTS.get(name):
            found += [f"--{name.replace('_', '-')}", str(value)]
    return found


def with_options(message: str, options: Namespace) -> str:
    """The message, with the options that lead to the same product behind every command that it names without them."""

    def named(found: re.Match[str]) -> str:
        behind = _GIVEN.match(message, found.end())
        said = behind[0].split() if behind else []
        leading = leading_options(options, found[1], found[2])
        pairs = zip(leading[::2], leading[1::2], strict=True)
        return shlex.join([*found[0].split(), *(part for pair in pairs if pair[0] not in said for part in pair)])

    return _NAMED.sub(named, message)


def _run(
    parser: Callable[[], ArgumentParser],
    run: Callable[[Namespace], int],
    arguments: Sequence[str] | None,
    expected: Callable[[], tuple[type[Exception], ...]],
    status: Callable[[Exception], int],
) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(run(options))
    except KeyboardInterrupt:
        print("stopped; run the same command again to start over", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _unread():
            return UNREAD
        message = str(error) if is_ours(error) or isinstance(error, expected()) else system_error(error)
        if message is None:
            raise
        print(f"error: {with_options(message, options)}", file=sys.stderr)
        return status(error)


def _unread() -> bool:
    """Whether nobody reads stdout any more; what is left for it then goes nowhere."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):  # no file of the system
        return False
    pipe = select.poll()
    pipe.register(out, 0)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in pipe.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), out)
    return True
