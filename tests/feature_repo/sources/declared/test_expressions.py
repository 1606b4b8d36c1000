"""Which expressions are row-wise."""

import duckdb
import pytest

from feature_repo.sources.adapters import check
from feature_repo.sources.declared.expressions import ExpressionError, parsed
from feature_repo.sources.errors import SourceError
from models.spec.source import SourceTable
from tests.feature_repo.sources.declared.shop import TABLES, shop_spec, tables


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sum(a)", "the aggregate sum, which reads other rows"),
        ("count(*)", "the aggregate count_star"),
        ("sum(a) OVER ()", "a window function"),
        ("row_number() OVER (ORDER BY a)", "a window function"),
        ("lag(a)", "the window function lag"),
        ("(SELECT max(a) FROM b)", "a subquery"),
        ("a IN (SELECT b FROM c)", "a subquery"),
        ("EXISTS (SELECT 1)", "a subquery"),
        ("random()", "the function random, which differs from run to run"),
        ("gen_random_uuid()", "the function gen_random_uuid, which differs"),
        ("now()", "the function now, which differs"),
        ("a < current_timestamp", "current_timestamp, which differs from run to run"),
        ("user || '-' || \"user\"", "user, which is no column; write a column of that name in double quotes"),
        ("at + 1", "no expression of SQL: .*a column whose name is a word of SQL, such as at, stands in double quotes"),
        ("current_setting('TimeZone')", "the function current_setting"),
        ("nextval('a')", "the function nextval"),
        ("read_csv('/etc/passwd')", "the table function read_csv"),
        ("read_text('/etc/passwd')", "the table function read_text"),
        ("query_table('a')", "the table function query_table"),
        ("getenv('HOME')", "the function getenv, which DuckDB does not have"),
        ("pg_sleep(1)", "the function pg_sleep, which tells about the session"),
        ("unnest(a)", "the table function unnest.*explode"),
        ("*", "a star"),
        ("COLUMNS('a')", "a star"),
        ("?", "a parameter"),
        ("a) AS x, (b", "more than one expression"),
        ("a) FROM one, (SELECT 1", "no expression of SQL|more than one expression"),
        ("1); DROP TABLE raw; SELECT (1", "no expression of SQL|more than one expression"),
        ("a +", "no expression of SQL"),
        ("a b c", "no expression of SQL"),
        ("a" + " + a" * 900, "nested too deeply|no expression of SQL"),
        ("", "no expression of SQL"),
        ("list_transform(a, x -> (SELECT 1))", "a subquery"),
        ("age(a)", "age with one argument, which counts from today"),
        ("current_localtimestamp()", "current_localtimestamp, which differs from run to run"),
        ("version()", "version, which is none of the allowed functions .*math, text, date parts, JSON, lists"),
        ("__internal_decompress_string(a)", "none of the allowed functions"),
        ("json_serialize_plan(a)", "none of the allowed functions"),
        ("geomean(a)", "none of the allowed functions"),
        ("payload -> '$.e'", r"an arrow ->.*json_extract\(column, path\)"),
        ("list_transform(payload -> '$.e', x -> x)", "an arrow ->"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "columns", "untyped"),
    [
        ("order", {"order"}, set()),  # a plain name may be a word of SQL
        ('"at" + 1', {"at"}, {"at"}),
        ("\"user\" || '-' || film", {"user", "film"}, set()),
        ('lower("current_date")', {"current_date"}, set()),
        ('"odd name"', {"odd name"}, set()),
        ("event = 'click'", {"event"}, set()),
        ("event IN ('a', 'b') AND x IS NOT NULL", {"event", "x"}, set()),
        ("CAST(a AS BIGINT) / b", {"a", "b"}, {"b"}),
        ("a || '-' || lower(b)", {"a", "b"}, set()),
        ("a > 5", {"a"}, {"a"}),
        ("list_transform(tags, x -> x || 'y')", {"tags"}, {"tags"}),
        ("CASE WHEN a = 'x' THEN b END", {"a", "b"}, {"b"}),
        ("nullif(a, -1)", {"a"}, {"a"}),
        ("nullif(a, 'UNKNOWN')", {"a"}, set()),
        ("date_trunc('day', a)", {"a"}, {"a"}),
        ("s.inner", {"s"}, {"s"}),
        ("1 -- a comment", set(), set()),
        ("payload ->> '$.e'", {"payload"}, {"payload"}),
        ("json_extract(payload, '$.e')", {"payload"}, {"payload"}),
        ("[x + b for x in a if x > 2]", {"a", "b"}, {"a", "b"}),
        ("list_reduce(a, lambda x, y: x + y)", {"a"}, {"a"}),
        ("age(a, b)", {"a", "b"}, {"a", "b"}),
        ("extract(hour FROM a AT TIME ZONE 'UTC') + INTERVAL 30 MINUTE", {"a"}, {"a"}),
    ],
)
def test_what_is_read(text: str, columns: set, untyped: set) -> None:
    found = parsed(text)
    assert (found.columns, found.untyped) == (columns, untyped)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"where": "random() < 0.5"},
            "source.tables.impressions.where: expected an expression over one row; found the",
        ),
        ({"derived": {"price_log": "ln(cost)"}}, "derived.price_log: expected names out of columns and asof .*'cost'"),
        ({"derived": {"price_log": "price * clicked"}}, "derived.price_log: expected what is known.*found clicked"),
        ({"derived": {"price_log": "epoch(settled_time - time)"}}, "found settled_time, which is known only once"),
    ],
)
def test_what_the_check_refuses(changes: dict, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        check(shop_spec(tables(impressions=changes)))


def test_context_is_not_made_of_what_outcomes_are_made_of() -> None:
    columns = {**TABLES["impressions"]["columns"], "price_log": "CAST(event = 'none' AS DOUBLE)"}
    with pytest.raises(SourceError, match=r"columns.price_log: expected what is known .* found event, from which"):
        check(shop_spec(tables(impressions={"columns": columns, "derived": None})))


def test_an_expression_may_end_in_a_comment() -> None:
    (found,) = duckdb.sql(f"SELECT {parsed('x + 1 -- one').sql} AS a, 3 AS b FROM (SELECT 1 AS x)").fetchall()
    assert found == (2, 3)


def test_names_differ_in_more_than_case() -> None:
    with pytest.raises(ValueError, match=r"columns.A: expected names that differ in more than case; found .*columns.a"):
        SourceTable(files="a.csv", columns={"a": "x", "A": "x"})
    with pytest.raises(ValueError, match=r"derived.A: expected names that differ in more than case; found .*columns.a"):
        SourceTable(files="a.csv", columns={"a": "x"}, derived={"A": "x"})


def test_every_table_has_one_origin() -> None:
    with pytest.raises(ValueError, match="expected files or query; found none"):
        SourceTable(columns={"a": "a"})
    with pytest.raises(ValueError, match="expected a path inside the data folder"):
        SourceTable(files="../secrets.csv", columns={"a": "a"})
    with pytest.raises(SourceError, match=r"source.database: expected it, since table prices has a query"):
        check(shop_spec(tables(prices={"files": None, "query": "SELECT 1"})))
