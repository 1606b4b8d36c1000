"""What becomes of the columns of a table of members or items."""

import re
from typing import NamedTuple

from feature_repo.sources.guess.look import Looked, Table, raw_name

_LATE = re.compile(
    r"click|convert|conversion|purchas|bought|(?<!b)order|like|ctr|(?<![a-z])rate|rating|score|popular|views?(_|$)|watch|"
    r"(?<!dis)play|label|target|churn|engag|(?<!dis)(?<!ac)count(?!r?y)|num_|(?<![a-z])n_|total|sales|revenue|rank|last_|"
    r"avg|mean",
    re.IGNORECASE,
)
"""Names of what is often counted from outcomes, over a time that nobody knows."""
_PROSE = re.compile(r"title|headline|subject|summary|abstract|caption|body|text|description", re.IGNORECASE)
"""Names of what is written for people to read."""
_MOST_VALUES = 5_000


class Written(NamedTuple):
    """A column as the spec reads it."""

    name: str
    """In the canonical table."""
    raw: str
    kind: str
    """Of the feature; empty for none."""
    comment: str
    """Why it is left out; or what to know."""


def features(table: Table, key: str, taken: set[str]) -> list[Written]:
    """The columns of a table of nodes; ``taken``: names that other features have."""
    found = []
    for column in table.columns.values():
        if column.name == key or column.timed:
            continue
        kind, comment = _feature(column)
        if kind and _LATE.search(column.name):
            comment = f"{kind}, but it may be made of outcomes: only if it was known at the time of the row"
            found.append(Written(canonical(column.name, taken), raw_name(column.name), "", comment))
            continue
        found.append(Written(canonical(column.name, taken), raw_name(column.name), kind, comment))
    return found


def _feature(column: Looked) -> tuple[str, str]:
    if column.rows == column.missing or column.distinct <= 1:
        return "", "always the same"
    if column.kind == "vector":
        return f"vector[{column.size}]", ""
    if column.kind in ("list", "other"):
        return "", f"{column.sql}: a list becomes rows of a table of its own (explode)"
    if column.kind == "boolean" or (column.kind == "number"):
        return "number", ""
    if column.key_name:
        return "", "a key: another node type, with an edge to it"
    if column.kind == "whole":
        return "number", ""
    if column.words >= (1.5 if _PROSE.search(column.name) else 2.5):
        return "text", ""
    if column.distinct <= min(_MOST_VALUES, max(20, column.rows // 2)):
        return "category", ""
    return "", f"{column.distinct} different texts in {column.rows} rows"


def canonical(raw: str, taken: set[str]) -> str:
    """A name for a raw column that the spec allows and that is not taken; it is taken then."""
    from models.columns import TABLE_COLUMNS, is_served

    plain = re.sub(r"\W+", "_", raw, flags=re.ASCII).strip("_")
    plain = (plain if plain[:1].isalpha() else f"column_{plain}")[:50]
    while plain.lower() in taken or is_served(plain) or plain.lower() in TABLE_COLUMNS:
        plain += "_"
        plain = plain.rstrip("_") + "_of_it" if not plain.rstrip("_").endswith("_of_it") else plain.rstrip("_") + "_2"
    taken.add(plain.lower())
    return plain
