"""Integers of 64 bits as text, the form in which JSON's readers that hold numbers as doubles do not round them."""

import re

LEAST, MOST = -(2**63), 2**63 - 1
_DIGITS = re.compile(r"0|-?[1-9][0-9]{0,18}")


def integer_of(text: str) -> int | None:
    """The integer that a text writes; None if it is none of 64 bits.

    Every integer has one spelling, so that two texts never are one key: no zero in front, plus sign, space or point.
    """
    if not _DIGITS.fullmatch(text):
        return None
    value = int(text)
    return value if LEAST <= value <= MOST else None
