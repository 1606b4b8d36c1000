"""Values of pushed rows and of CSV cells: the borders of every kind."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from feature_repo.stream.plan import Kind
from feature_repo.stream.values import parsed, value_of

NOON = 1_767_700_800_000_000
"""2026-01-06T12:00:00Z."""


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        *(("int", n, n) for n in (0, -(2**63), 2**63 - 1, -(2**62) - 1, 2**62)),
        *(("int", float(n), n) for n in (0, -(2**53) + 1, 2**53 - 1, -(2**52) - 1, 2**52)),
        *(("int", one(7), 7) for one in (np.int64, np.int8, np.uint64, np.float32, np.float64)),
        *(("int", True, 1), ("int", False, 0)),
        *(("int", str(n), n) for n in (0, 7, -7, -(2**63), 2**63 - 1, 2**53 + 1)),
        *(("time", n, n) for n in (0, -(2**63) + 1, 2**63 - 1, -(2**62) - 1, 2**62)),
        *(("time", "12", 12), ("time", "-12", -12), ("time", np.int64(12), 12)),
        *(("time", "2026-01-06T12:00:00Z", NOON), ("time", "2026-01-06T14:00:00+02:00", NOON)),
        ("time", datetime(2026, 1, 6, 12, tzinfo=UTC), NOON),
        *(("text", "", ""), ("text", "a", "a")),
        *(("double", 0.1, 0.1), ("double", 3, 3.0), ("double", 2**24 + 1, 2.0**24 + 1), ("double", 1e300, 1e300)),
        *(("float", 0.1, float(np.float32(0.1))), ("float", 2**24, 2.0**24), ("float", np.float64(0.5), 0.5)),
    ],
)
def test_a_value_has_its_columns_type(kind: Kind, given: Any, expected: Any) -> None:
    found = value_of(kind, given)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("kind", ["int", "float", "double", "text", "time"])
def test_nothing_stays_nothing(kind: Kind) -> None:
    assert value_of(kind, None) is None
    assert value_of(kind, math.nan) is None
    assert parsed(kind, "") is None


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("int", n) for n in (2**63, -(2**63) - 1, 2.0**53, -(2.0**53), 0.5, math.inf, "x", [1], 1j)),
        *(("int", n) for n in ("01", "+1", " 1", "1.0", "-0", "", str(2**63), str(-(2**63) - 1), "9" * 5000)),
        *(("time", n) for n in (2**63, -(2**63), 2**64, True, 1.0, "soon", "1.5", [1], "99999999999999999999")),
        *(("time", n) for n in ("2026-01-06T12:00:00", "2026-01-06", datetime(2026, 1, 6, 12))),  # in which zone?
        *(("text", n) for n in (1, True, 0.5, b"a", ["a"])),
        *(("double", n) for n in (math.inf, -math.inf, "1", [1.0])),
        *(("float", n) for n in (math.inf, "1", 2**24 + 1, 1e39)),
    ],
)
def test_what_a_column_cannot_hold_is_refused(kind: Kind, given: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        value_of(kind, given)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        *(("int", "7", 7), ("int", "-7", -7), ("int", "9" * 19, int("9" * 19)), ("int", "007", 7)),
        *(("int", "true", True), ("int", "TRUE", True), ("int", "False", False)),
        *(("float", "7", 7.0), ("float", "-7.5", -7.5), ("double", "1.5e3", 1500.0), ("double", "1E-3", 0.001)),
        *(("text", "true", "true"), ("text", " 7 ", " 7 "), ("time", "soon", "soon"), ("time", "12", "12")),
    ],
)
def test_a_cell_becomes_a_value(kind: Kind, text: str, expected: Any) -> None:
    found = parsed(kind, text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(("int", text) for text in ("1.0", "1e3", " 1", "1_0", "+1", "nan", "yes", "9" * 20, "-")),
        *(("double", text) for text in ("true", "nan", "inf", "1_0", ".5", "1.", "1e", "1e1000", " 1")),
        *(("float", text) for text in ("false", "x")),
    ],
)
def test_a_cell_that_is_no_number_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="^" + text.replace("+", r"\+").replace(".", r"\.") + "$"):
        parsed(kind, text)
