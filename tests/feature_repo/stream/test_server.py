"""Feast's own feature server, as a process, over HTTP."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3

from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import layout_of
from feature_repo.stores.online.bulk import rows_of
from feature_repo.stream.packed_rows import read_rows
from feature_repo.views.pushed import EDGES, KEYS, RECENT, TIMES
from models.time_units import SECOND
from tests.feature_repo.redis_server import running_redis
from tests.feature_repo.stream import product
from tests.feature_repo.stream.conftest import World, open_world

pytestmark = pytest.mark.long(20)

ROOT = Path(__file__).resolve().parents[3]
AHEAD = (time.time_ns() // 1_000_000_000 + 3_600) * SECOND
"""An hour ahead of the clock."""
FEAST = Path(sys.executable).parent / "feast"


class Server(NamedTuple):
    world: World
    url: str
    http: urllib3.PoolManager


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    if request.param == "sqlite":
        yield from _serving(open_world(folder))
        return
    with running_redis() as address:
        yield from _serving(open_world(folder, address))


def _serving(world: World) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [str(FEAST), "-f", str(world.config), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (world.state / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=world.state, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        waiting = urllib3.Retry(600, backoff_factor=0.1, backoff_max=0.1)
        http = urllib3.PoolManager(retries=False, headers={"Connection": "close"})
        with urllib3.PoolManager(retries=waiting) as patient:
            assert patient.request("GET", f"{url}/health").status == 200
        yield Server(world, url, http)
    finally:
        process.terminate()
        process.wait()


def _push(server: Server, table: str, rows: Sequence[Mapping[str, Any]]) -> urllib3.BaseHTTPResponse:
    columns = {name: [_sent(name, row[name]) for row in rows] for name in rows[0]}
    return server.http.request("POST", f"{server.url}/push", json={"push_source_name": table, "df": columns})


def _sent(column: str, value: Any) -> Any:
    if value is None or not column.endswith("time"):
        return value
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)).isoformat()


def _online(server: Server, member: int) -> dict[str, Any]:
    """The member's list and counts, as the server itself returns them."""
    features = [f"{RECENT}:{name}" for name in (EDGES, KEYS, TIMES)]
    features += [f"member_counts:member_counts_{name}" for name in ("shown", "settled", "click_sum", "share_last")]
    body = {"features": features, "entities": {"member_id": [member]}}
    response = server.http.request("POST", f"{server.url}/get-online-features", json=body).json()
    names = response["metadata"]["feature_names"]
    return {name: result["values"][0] for name, result in zip(names, response["results"], strict=True)}


@pytest.mark.serial
def test_a_pushed_activity_is_in_the_list_within_a_second_and_counts_once(server: Server) -> None:
    row = product.impression(1, 11, "p1", 10, 20, click=1, percent=40)
    assert _push(server, "impressions", [product.shown_only(row)]).status == 200
    shown = _online(server, 11)
    assert (shown["member_counts_shown"], shown["member_counts_settled"]) == (1, 0)
    assert not shown[EDGES]
    started = time.monotonic()
    assert _push(server, "impressions", [row]).status == 200
    while not (found := _online(server, 11))[EDGES]:
        assert time.monotonic() - started < 1
    seconds = time.monotonic() - started
    assert seconds < 1
    assert (found[EDGES], found[KEYS], found[TIMES]) == (["clicked"], ["p1"], [row["settled_time"]])
    assert (found["member_counts_shown"], found["member_counts_settled"]) == (1, 1)
    assert (found["member_counts_click_sum"], found["member_counts_share_last"]) == (1, [40])
    print(f"seen {seconds * 1000:.1f} ms after the push began")


def test_a_duplicate_changes_nothing(server: Server) -> None:
    row = product.impression(2, 12, "p2", 10, 20, click=1)
    assert _push(server, "impressions", [row]).status == 200
    once = _online(server, 12)
    for again in ([row], [product.shown_only(row)], [row, row]):
        assert _push(server, "impressions", again).status == 200
    assert _online(server, 12) == once


def test_out_of_order_ends_as_in_order(server: Server) -> None:
    def history(member: int, first: int) -> list[tuple[str, dict[str, Any]]]:
        rows = [
            product.impression(first + n, member, "p1", 10 * n, 10 * n + 35 - n, click=1, percent=n) for n in range(4)
        ]
        return [("impressions", row) for row in rows] + [("likes", product.like(member, "p2", 25))]

    for table, row in history(13, 100):
        assert _push(server, table, [row]).status == 200
    for table, row in reversed(history(14, 200)):
        assert _push(server, table, [row]).status == 200
    in_order, reverse = _online(server, 13), _online(server, 14)
    assert {**reverse, "member_id": 0} == {**in_order, "member_id": 0}
    assert in_order["member_counts_shown"] == 4
    assert len(in_order[EDGES]) == server.world.spec.model.activities


def test_two_pushers_at_once_lose_nothing(server: Server) -> None:
    rows = [product.impression(1000 + n, 15, "p1", n, n + 1, click=n % 2) for n in range(40)]
    before = _everything(server)
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(
            lambda half: {_push(server, "impressions", [row]).status for row in half}, (rows[::2], rows[1::2])
        )
        assert set().union(*halves) == {200}
    found = _online(server, 15)
    assert (found["member_counts_shown"], found["member_counts_settled"]) == (40, 40)
    assert found["member_counts_click_sum"] == 20
    assert _everything(server) == before + 40


def _everything(server: Server) -> int:
    """How many outcomes the view `overall` holds; it has no keys, so it is read from the rows themselves."""
    layout = layout_of(server.world.store.get_feature_view("overall"))
    (row,) = read_rows(layout, rows_of(server.world.store).read([row_key(server.world.store.project, "overall", ())]))
    return 0 if row is None else int(row.values["overall_settled"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"percent": 101}, "column percent: expected numbers from 0 to 100"),
        ({"surface": "sms"}, "column surface: expected one of feed, email"),
        ({"settled_time": product.START}, "expected settled_time not before time"),
        ({"time": AHEAD, "settled_time": None, "click": None, "percent": None}, "column time: expected a time up to"),
        ({"settled_time": AHEAD}, "row 2, column settled_time: expected a time up to"),
        ({"time": 10 * SECOND}, "column time: expected a time up to .* is before 2000-01-01"),
    ],
)
def test_a_bad_row_is_refused_and_changes_nothing(server: Server, change: dict[str, Any], message: str) -> None:
    before = _everything(server)
    bad = {**product.impression(3, 16, "p1", 10, 20), **change}
    response = _push(server, "impressions", [product.impression(4, 16, "p1", 10, 20), bad])
    assert response.status == 422
    assert re.search(message, response.data.decode())
    assert _online(server, 16)["member_counts_shown"] is None
    assert _everything(server) == before


def test_no_view_takes_a_row_of_the_future(server: Server) -> None:
    """Also past the event tables: Feast's server writes to any view."""
    row = {"member_id": [17], "as_of": [_sent("time", AHEAD)], EDGES: [["liked"]], KEYS: [["p1"]], TIMES: [[AHEAD]]}
    for path, name in (("push", "push_source_name"), ("write-to-online-store", "feature_view_name")):
        response = server.http.request("POST", f"{server.url}/{path}", json={name: RECENT, "df": row})
        assert response.status == 422
        assert "expected a time up to" in response.data.decode()
    assert _online(server, 17)[EDGES] is None
