"""Queries that a real PostgreSQL answers, on loopback."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from feature_repo.sources.declared.database import database
from feature_repo.sources.errors import SourceError
from models.spec.source import Source
from tests.feature_repo.postgres_server import running_postgres
from tests.feature_repo.sources.declared.shop import ingested, shop_folder, shop_spec, tables

if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
    pytest.skip("PostgreSQL is not installed: make postgres", allow_module_level=True)

BIG = 2**62 + 1
ROWS = f"""
CREATE TABLE shown (
    id text, ts timestamptz, settled timestamp, member_id bigint, product varchar, "where" text, clicked boolean,
    price numeric(6, 2), taste real[], empty text
);
INSERT INTO shown VALUES
    ('1', '2026-01-01 09:00:00.5+00', '2026-01-01 17:00:01', {BIG}, 'b', 'feed', true, 4.25, '{{0.5,1}}', ''),
    ('2', '2026-01-02 09:00+00', '2026-01-02 17:00', {BIG + 1}, '007', 'mail', false, NULL, NULL, NULL),
    ('3', '2026-01-03 09:00+00', '2026-01-03 17:00', {BIG}, 'a, "b"', 'mail', false, 1, '{{1,2}}', 'x');
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_postgres() as found:
        with psycopg.connect(found) as connection:
            connection.execute(ROWS)
        yield found


def shown(**changes: object) -> dict:
    columns = {
        **{"impression_id": "id", "time": "ts", "settled_time": "settled", "member_id": "member_id"},
        **{"item_id": "product", "surface": '"where"', "clicked": "clicked", "price": "price", "taste": "taste"},
        "empty": "empty",
    }
    times = {"settled_time": {"timezone": "Asia/Shanghai"}}
    return {
        **{"files": None, "types": None, "where": None, "asof": None, "query": "SELECT * FROM shown"},
        **{"columns": columns, "times": times, **changes},
    }


def test_a_query(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", address)
    spec = shop_spec(tables(impressions=shown()), database="env:WAREHOUSE")
    found = ingested(spec, shop_folder(tmp_path / "raw"), tmp_path, "impressions")
    assert found["member_id"].tolist() == [BIG, BIG + 1, BIG]
    assert found["item_id"].tolist() == ["b", "007", 'a, "b"']
    assert (found["settled_time"] - found["time"]).dt.total_seconds().tolist() == [0.5, 0, 0]
    assert found["clicked"].tolist() == [1, 0, 0]
    assert found["price"].fillna(-1).tolist() == [4.25, -1, 1]
    assert [None if value is None else list(value) for value in found["taste"]] == [[0.5, 1], None, [1, 2]]
    assert found["empty"].tolist() == ["", None, "x"]


def test_keys_of_exact_numbers(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", address)
    big = 2**53 + 1
    query = f"SELECT *, {big}::numeric(20, 0) AS exact, 7.00::numeric(6, 2) AS cents FROM shown"
    columns = {**shown()["columns"], "item_id": "exact", "surface": "CASE WHEN price > 2 THEN 'feed' ELSE 'mail' END"}
    spec = shop_spec(tables(impressions=shown(query=query, columns=columns)), database="env:WAREHOUSE")
    found = ingested(spec, shop_folder(tmp_path / "raw"), tmp_path, "impressions")
    assert found["item_id"].tolist() == [str(big)] * 3
    columns |= {"member_id": "exact", "item_id": '"cents"'}
    spec = shop_spec(tables(impressions=shown(query=query, columns=columns)), database="env:WAREHOUSE")
    found = ingested(spec, tmp_path / "raw", tmp_path, "impressions")
    assert (found["member_id"].tolist(), found["item_id"].tolist()) == ([big] * 3, ["7"] * 3)


def test_the_address_has_no_password(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(address)
    with pytest.raises(ValueError, match="found an address with a password"):
        Source(adapter="tables", database=address)
    monkeypatch.setenv("PGPASSWORD", str(parts.password))
    open_address = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}/feast"
    spec = shop_spec(tables(impressions=shown()), database=open_address)
    assert len(ingested(spec, shop_folder(tmp_path / "raw"), tmp_path, "impressions")) == 3
    monkeypatch.setenv("PGPASSWORD", "another")
    with pytest.raises(SourceError, match="expected a database that can be reached") as refused:
        ingested(spec, tmp_path / "raw", tmp_path, "impressions")
    assert "another" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM nowhere",
        "DELETE FROM shown RETURNING *",
        "SELECT 1) TO STDOUT; DROP TABLE shown; COPY (SELECT 1",
        "SELECT 1) AS x; DROP TABLE shown; SELECT * FROM (SELECT 1",
        "SELECT setval('a', 1)",
        "SELECT pg_terminate_backend(pg_backend_pid())",
    ],
)
def test_a_query_only_reads(address: str, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE", address)
    words = "expected a query that the database answers"
    with pytest.raises(SourceError, match=words), database("env:WAREHOUSE") as connected:
        connected.answer("one", query)
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM shown").fetchone() == (3,)


def test_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAREHOUSE", raising=False)
    for address, words in (
        ("env:WAREHOUSE", "expected an address in the variable WAREHOUSE; found nothing"),
        ("postgresql://nobody@127.0.0.1:1/none", "expected a database that can be reached"),
    ):
        with pytest.raises(SourceError, match=words), database(address):
            pass
