"""One fault: its number, what is promised instead, and the check that tries it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Broken(Exception):  # noqa: N818 - the word that the command prints
    """The fault is there; the message says what was expected and what was found."""


@dataclass(frozen=True)
class Fault:
    """A check writes only below the empty folder that it gets; it returns what it saw, or raises (then it is broken).

    A module of this package lists its faults as ``FAULTS``.
    """

    number: int
    promise: str
    check: Callable[[Path], str]


def expect(holds: bool, expected: str, found: object) -> None:
    """Raise Broken unless ``holds``."""
    if not holds:
        raise Broken(f"expected {expected}; found {found}")
