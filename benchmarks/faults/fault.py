"""One fault: its number, the promised behavior, and the check."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Broken(Exception):  # noqa: N818 - the word that the command prints
    """Raised when the fault is present; the message names what was expected and what was found."""


@dataclass(frozen=True)
class Fault:
    """A check writes only to the empty folder that it gets; it returns a summary, or raises if the fault is present.

    A module of this package lists its faults as ``FAULTS``.
    """

    number: int
    promise: str
    check: Callable[[Path], str]


def expect(holds: bool, expected: str, found: object) -> None:
    """Raise Broken unless ``holds``."""
    if not holds:
        raise Broken(f"expected {expected}; found {found}")
