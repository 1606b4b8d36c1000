"""Expressions of a spec's tables: parsed by DuckDB, and refused unless they read one row and nothing else."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import duckdb

from feature_repo.sources.declared.functions import OF_TEXT, refusal, takes_lambda
from models.sql import identifier

_PLAIN = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_]\w*", re.IGNORECASE)
_CLOCK = frozenset(("current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"))
_SESSION = frozenset(("user", "current_user", "session_user", "current_role", "current_catalog", "rowid"))
_REFUSED = {
    "WINDOW": "a window function, which reads other rows, also later ones",
    "SUBQUERY": "a subquery, which reads other rows",
    "STAR": "a star; name the columns",
    "PARAMETER": "a parameter; write the value",
}
_KNOWN = {"COLUMN_REF", "CONSTANT", "CAST", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "FUNCTION"}
_KNOWN |= {"LAMBDA", "COLLATE", "TYPE"}
_EQUAL = ("COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM")


class ExpressionError(ValueError):
    """Raised for an expression that is not row-wise; the message is the reason."""


class Expression(NamedTuple):
    """A row-wise expression."""

    sql: str
    columns: frozenset[str]
    """The columns that it reads."""
    untyped: frozenset[str]
    """Those of them that it reads as something else than text."""
    plain: str | None
    """The column, if the expression is nothing but one."""


@cache
def parsed(text: str) -> Expression:
    """Parse an expression. Raises ExpressionError."""
    if _PLAIN.fullmatch(text.strip()):
        name = text.strip()
        return Expression(identifier(name), frozenset([name]), frozenset(), name)
    try:
        tree = _tree(text)
        _refuse(tree)
        read, bare = list(_columns(tree, frozenset(), False)), _bare(tree)
    except RecursionError:
        raise ExpressionError("an expression that is nested too deeply") from None
    for name, _ in read:
        if name.lower() in _CLOCK | _SESSION and name in bare:
            why = "differs from run to run" if name.lower() in _CLOCK else "is no column"
            raise ExpressionError(f"{name.lower()}, which {why}; write a column of that name in double quotes")
    names = frozenset(name for name, _ in read)
    plain = next(iter(names)) if tree["class"] == "COLUMN_REF" and len(tree["column_names"]) == 1 else None
    untyped = frozenset() if plain else frozenset(name for name, typed in read if not typed)
    return Expression(f"({text}\n)", names, untyped, plain)


def _tree(text: str) -> dict[str, Any]:
    """The syntax tree of one expression."""
    if not text.strip():
        raise ExpressionError("no expression of SQL: nothing at all")
    with duckdb.connect() as connection:
        (found,) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT ({text}\n) FROM one"]).fetchone() or (
            "",
        )
    document = json.loads(found)
    if document["error"]:
        advice = "; a column whose name is a word of SQL, such as at, stands in double quotes"
        raise ExpressionError(f"no expression of SQL: {document['error_message']}{advice}")
    node = document["statements"][0]["node"]
    trees = node.get("select_list", [])
    whole = node.get("from_table", {}).get("table_name") == "one" and not node.get("where_clause")
    if len(document["statements"]) != 1 or len(trees) != 1 or not whole or trees[0].get("alias"):
        raise ExpressionError("more than one expression")
    return dict(trees[0])


def _refuse(tree: Any) -> None:
    """Raise ExpressionError if any part reads more than the row."""
    lambdas = set()  # DuckDB parses the arrow of JSON as a lambda too, whose left side would count as no column
    for part in _parts(tree):
        kind = part["class"]
        if kind not in _KNOWN:
            raise ExpressionError(_REFUSED.get(kind, f"{kind.lower()}, which no column needs"))
        if kind == "FUNCTION":
            name, arguments = part["function_name"].lower(), part["arguments"]
            if why := refusal(name, len(arguments)):
                raise ExpressionError(why)
            if takes_lambda(name):
                lambdas |= {id(one["expression"]) for one in arguments[1:2]}
        if kind == "LAMBDA" and id(part) not in lambdas:
            raise ExpressionError(
                "an arrow -> that is no function of a list; for JSON write json_extract(column, path)"
            )


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every part of a syntax tree that has a class."""
    if isinstance(tree, list):
        for one in tree:
            yield from _parts(one)
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for one in tree.values():
            yield from _parts(one)


def _bare(tree: Any) -> set[str]:
    """The columns that are written without double quotes somewhere: the part is as long as the name."""
    return {
        part["column_names"][0]
        for part in _parts(tree)
        if part["class"] == "COLUMN_REF" and part["query_location_length"] == len(part["column_names"][0].encode())
    }


def _columns(tree: Any, bound: frozenset[str], typed: bool) -> Iterator[tuple[str, bool]]:
    """Every (column, whether it may be a text) that a part reads; ``bound``: the names of lambdas around it."""
    if isinstance(tree, list):
        for one in tree:
            yield from _columns(one, bound, typed)
        return
    if not isinstance(tree, dict):
        return
    kind = tree.get("class")
    if kind == "COLUMN_REF":
        name = tree["column_names"][0]
        if name not in bound:
            yield name, typed
        return
    if kind == "LAMBDA":
        own = frozenset(name for name, _ in _columns(tree["lhs"], frozenset(), True))
        yield from _columns(tree["expr"], bound | own, False)
        return
    if kind is not None:
        typed = _reads_text(tree)
    for one in tree.values():
        yield from _columns(one, bound, typed)


def _reads_text(part: dict[str, Any]) -> bool:
    """Whether columns directly below a part may be texts: nothing would be converted behind the author's back."""
    kind, name = part["class"], part.get("type", "")
    if kind == "CAST" or name in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        return True
    if name in _EQUAL:
        return _is_text(part["left"]) or _is_text(part["right"])
    if name in ("COMPARE_IN", "COMPARE_NOT_IN"):
        return all(map(_is_text, part["children"][1:]))
    if kind != "FUNCTION":
        return False
    function = part["function_name"].lower()
    return function in OF_TEXT or (function == "nullif" and _is_text(part["arguments"][-1]["expression"]))


def _is_text(part: dict[str, Any]) -> bool:
    return part["class"] == "CONSTANT" and part.get("literal", {}).get("kind") == "STRING"
