"""SQL that makes a value what the spec needs, or null where it cannot be: nothing is rounded or guessed."""

import re
from typing import NamedTuple

from feature_repo.sources.declared.kinds import Kind
from models.spec.source import Times
from models.sql import literal

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FAR = 253_370_764_800_000_000
"""Microseconds to the year 9999: later times would overflow. They are quarantined like all that lie ahead."""
_EXACT = 2**53
_WHOLE = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
}
_FLOATS = {"FLOAT", "DOUBLE"}
_STAMPS = re.compile(r"TIMESTAMP(_S|_MS|_NS)?")
ZONED = r"^[^:]+:[0-9:.]+ ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"
"""Texts that are times with a zone."""
EXACT_NUMBER = "NUMERIC"
"""Type of numbers of any length, which are handed as texts."""
NAIVE = r"^[0-9]{4,6}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ][0-9:.]+)?$"
"""Texts that are times or dates without a zone: DuckDB would drop one that it does not know, or take the session's."""


class Conversion(NamedTuple):
    """How a value is converted."""

    sql: str
    """Null for a value that cannot be converted."""
    words: str
    """What was expected of a value."""


def conversion(kind: Kind, found: str, value: str, times: Times) -> Conversion | None:
    """How ``value``, SQL of the type ``found``, becomes that kind. None: no value of that type can."""
    if kind == "time":
        return _time(found, value, times)
    if kind == "whole":
        return _whole(found, value)
    if kind == "text":
        return _text(found, value)
    if kind == "vector":
        return _vector(found, value)
    return _number(found, value, label=kind == "label")


def typed(wanted: str, value: str) -> Conversion:
    """How a text becomes the type that the spec gives for it."""
    if wanted == "BIGINT":
        return Conversion(_whole_of_text(value), "a whole number of 64 bits")
    if wanted == EXACT_NUMBER:
        return Conversion(f"regexp_replace({value}, '[.]0*$', '')", "a number")
    if wanted == "TIMESTAMP":
        return Conversion(_naive(value), "a TIMESTAMP, so a time without a zone")
    if wanted == "TIMESTAMPTZ":
        return Conversion(_zoned(value), "a TIMESTAMPTZ, so a time with a zone such as Z or +02:00")
    if wanted.endswith("[]"):
        value = f"CASE WHEN {value} LIKE '{{%' THEN translate({value}, '{{}}', '[]') ELSE {value} END"
    return Conversion(f"TRY_CAST({value} AS {wanted})", f"a value of {wanted}")


def retyped(wanted: str, found: str, value: str) -> Conversion:
    """How a value of the type ``found`` becomes the type that the spec gives for it."""
    if found == "VARCHAR":
        return typed(wanted, value)
    if wanted == "BIGINT":
        return typed(wanted, f"CAST({value} AS VARCHAR)")
    if wanted == "TIMESTAMP" and is_zoned(found):
        return Conversion("NULL", "no type TIMESTAMP, since the values have a zone, which it would drop")
    if wanted == "TIMESTAMPTZ" and (_STAMPS.fullmatch(found) or found == "DATE"):
        return Conversion("NULL", "no type TIMESTAMPTZ, since the values have no zone; write timezone('UTC', column)")
    return Conversion(f"TRY_CAST({value} AS {wanted})", f"a value of {wanted}")


def _whole_of_text(value: str) -> str:
    """Digits, with a sign and with a fraction of zeros, which pandas writes where others are missing."""
    return (
        f"CASE WHEN regexp_full_match({value}, '[+-]?[0-9]+([.]0*)?') "
        f"THEN TRY_CAST(split_part({value}, '.', 1) AS BIGINT) END"
    )


def _whole(found: str, value: str) -> Conversion | None:
    words = "a whole number of 64 bits"
    if found == "VARCHAR":
        return Conversion(_whole_of_text(value), words)
    if found in _WHOLE or found == "BOOLEAN":
        return Conversion(f"TRY_CAST({value} AS BIGINT)", words)
    if found.startswith("DECIMAL"):
        return Conversion(f"CASE WHEN {value} = trunc({value}) THEN TRY_CAST({value} AS BIGINT) END", words)
    if found in _FLOATS:
        kept = f"{value} = trunc({value}) AND abs({value}) < {_EXACT}"
        words = f"a whole number below 2^53, since it is stored as {found}"
        return Conversion(f"CASE WHEN {kept} THEN TRY_CAST({value} AS BIGINT) END", words)
    return None


def _text(found: str, value: str) -> Conversion | None:
    if found.endswith("]") or found.startswith(("STRUCT", "MAP", "UNION")):
        return None
    if found == "BLOB":
        return Conversion(f"TRY(decode({value}))", "text in UTF-8")
    if found in _FLOATS:  # whole numbers are stored like this where others are missing
        whole = f"{value} = trunc({value}) AND abs({value}) < {_EXACT}"
        return Conversion(
            f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS VARCHAR) "
            f"WHEN NOT abs({value}) >= {_EXACT} OR NOT isfinite({value}) THEN CAST({value} AS VARCHAR) END",
            f"text, or a number below 2^53, from which on {found} loses digits: give the column the type VARCHAR",
        )
    return Conversion(value if found == "VARCHAR" else f"CAST({value} AS VARCHAR)", "text")


def _number(found: str, value: str, label: bool) -> Conversion | None:
    if found == "VARCHAR":
        number = f"CASE WHEN NOT contains({value}, '_') THEN TRY_CAST({value} AS DOUBLE) END"
        if not label:
            return Conversion(number, "a number")
        said = f"CAST(TRY_CAST({value} AS BOOLEAN) AS TINYINT)"  # true, t, yes, y and their opposites
        return Conversion(f"coalesce({said}, {number})", "0 or 1")
    if found == "BOOLEAN":
        return Conversion(f"CAST({value} AS TINYINT)", "0 or 1")
    if found.startswith("DECIMAL") or found in ("HUGEINT", "UHUGEINT"):
        return Conversion(f"CAST({value} AS DOUBLE)", "a number")
    return Conversion(value, "a number") if found in _WHOLE | _FLOATS else None


def _vector(found: str, value: str) -> Conversion | None:
    words = "a list of numbers such as [0.5, 1]"
    if found == "VARCHAR":
        value = f"CASE WHEN {value} LIKE '{{%' THEN translate({value}, '{{}}', '[]') ELSE {value} END"
        return Conversion(f"TRY_CAST({value} AS DOUBLE[])", words)
    inner = re.fullmatch(r"(FLOAT|DOUBLE|TINYINT|SMALLINT|INTEGER|BIGINT|DECIMAL.*)\[\d*\]", found)
    return Conversion(f"CAST({value} AS DOUBLE[])", words) if inner else None


def _time(found: str, value: str, times: Times) -> Conversion | None:
    """Times in UTC; ``value`` of a naive time is in the zone that is given."""
    zone = times.timezone
    naive = f"a time with a zone, or `timezone` under times; without one nobody knows when {'{}'} was"
    if found == "VARCHAR":
        return _time_of_text(value, times)
    if found in _WHOLE | _FLOATS or found.startswith("DECIMAL"):
        if times.unit is None:
            return Conversion("NULL", "`unit` under times (s, ms, us or ns), since the values are numbers")
        return Conversion(_since_1970(value, found, times.unit), f"a number of {times.unit} since 1970")
    if times.unit is not None:
        return Conversion("NULL", f"no `unit` under times, since the values are {found}")
    if is_zoned(found):
        value = f"CAST({value} AS TIMESTAMPTZ)"
        return Conversion(f"CASE WHEN isfinite({value}) THEN {value} END", "a time")
    if _STAMPS.fullmatch(found) or found == "DATE":
        if zone is None:
            return Conversion("NULL", naive.format("it"))
        return Conversion(_in_zone(f"CAST({value} AS TIMESTAMP)", zone), "a time")
    return None


def is_zoned(found: str) -> bool:
    """Whether a type is that of times with a zone, in any unit."""
    return found.startswith("TIMESTAMPTZ") or found == "TIMESTAMP WITH TIME ZONE"


def _time_of_text(value: str, times: Times) -> Conversion:
    if times.unit is not None:
        number = f"CASE WHEN NOT contains({value}, '_') THEN TRY_CAST({value} AS DECIMAL(38, 9)) END"
        return Conversion(_since_1970(number, "DECIMAL", times.unit), f"a number of {times.unit} since 1970")
    if times.format is not None:
        read, words = f"try_strptime({value}, {literal(times.format)})", f"a time such as {times.format}"
        if "%z" in times.format or "%Z" in times.format:
            return Conversion(read, words)
        if times.timezone is None:
            return Conversion("NULL", "`timezone` under times, since the format has no zone")
        return Conversion(_in_zone(read, times.timezone), words)
    if times.timezone is None:
        words = "a time in ISO 8601 with a zone (or give `timezone`, `unit` or `format` under times)"
        return Conversion(_zoned(value), words)
    naive = _in_zone(_naive(value), times.timezone)
    return Conversion(f"coalesce({_zoned(value)}, {naive})", "a time in ISO 8601, with no zone or one such as +02:00")


def _zoned(value: str) -> str:
    return f"CASE WHEN regexp_matches(trim({value}), '{ZONED}') THEN TRY_CAST(trim({value}) AS TIMESTAMPTZ) END"


def _naive(value: str) -> str:
    return f"CASE WHEN regexp_matches(trim({value}), '{NAIVE}') THEN TRY_CAST(trim({value}) AS TIMESTAMP) END"


def _in_zone(value: str, zone: str) -> str:
    return f"CASE WHEN isfinite({value}) THEN timezone({literal(zone)}, {value}) END"


def _since_1970(value: str, found: str, unit: str) -> str:
    """Numbers are exact, but for those that are stored as floats."""
    per = _PER_SECOND[unit]
    times, over = (10**6 // per, 1) if per <= 10**6 else (1, per // 10**6)
    if found in _WHOLE:
        return f"make_timestamptz(CAST({_bounded(f'CAST({value} AS HUGEINT) * {times} // {over}', 1)} AS BIGINT))"
    number = f"CAST({value} AS DOUBLE)" if found in _FLOATS else value
    scaled = f"make_timestamptz(CAST(round({_bounded(number, over / times)} * {times} / {over}) AS BIGINT))"
    return f"CASE WHEN NOT isnan(CAST({value} AS DOUBLE)) THEN {scaled} END"


def _bounded(number: str, over: float) -> str:
    """A number that would be a time after the year 9999, or as long before 1970, is that time."""
    far = int(_FAR * over)
    return f"CASE WHEN {number} > {far} THEN {far} WHEN {number} < -{far} THEN -{far} ELSE {number} END"
