"""Quoting survives every character: what goes in comes out of DuckDB."""

import duckdb
import pytest

from models.sql import identifier, literal, spark_identifier

TEXTS = ['a"b', "a'b", "a`b", '"', "'", "''", '"; DROP TABLE x; --', "a\\'b", "line\nbreak", "ü 😀", "select", "a.b"]


@pytest.mark.parametrize("text", [*TEXTS, ""])
def test_a_literal_is_read_back_as_the_text(text: str) -> None:
    assert duckdb.sql(f"SELECT {literal(text)}").fetchall() == [(text,)]


@pytest.mark.parametrize("text", TEXTS)
def test_an_identifier_names_the_column(text: str) -> None:
    result = duckdb.sql(f"SELECT {identifier(text, 'rows')} FROM (SELECT 7 AS {identifier(text)}) AS rows")
    assert (result.columns, result.fetchall()) == ([text], [(7,)])


def test_what_identifiers_look_like() -> None:
    assert identifier('a"b', "rows") == 'rows."a""b"'
    assert identifier("") == '""'
    assert spark_identifier("a`b") == "`a``b`"
    assert spark_identifier("") == "``"
    assert literal("") == "''"
