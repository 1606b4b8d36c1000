"""Outcomes over HTTP: what a real server keeps, what it refuses, and what is collected."""

import asyncio
import json
import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from models.clock import now
from models.outcome_parts import address_of, parts
from serving.errors import UnavailableError
from serving.server.document import Body
from serving.server.outcome_log import OutcomeLog, folder_beside
from serving.server.served_collector import Collector, outcomes_beside, write_outcomes
from serving.settings.limits import Limits
from tests.serving.running import running_server, wait_until
from tests.serving.world import World, world_spec

ROW: dict[str, Any] = {"impression": "a/0/0", "task": "click", "value": 1, "happened": "2026-01-01T00:00:00Z"}


def kept(folder: Path) -> list[dict[str, Any]]:
    """The outcomes in a folder beside a served log."""
    files = sorted((folder / "outcomes").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().split(b"\n") if line]


@pytest.fixture
def path(world: World) -> str:
    return f"/v1/models/{world.name}:outcomes"


def test_what_is_answered_is_kept_with_the_time_of_receiving(
    client: httpx.Client, world: World, path: str, server_folder: Path
) -> None:
    rows = [{**ROW, "impression": f"kept/0/{rank}", "value": rank} for rank in range(2)]
    before = now()
    response = client.post(path, json={"outcomes": rows})
    assert (response.status_code, response.json()) == (200, {"outcomes": 2})
    found = [one for one in kept(server_folder) if one["impression"].startswith("kept/")]
    assert [(one["impression"], one["task"], one["value"]) for one in found] == [
        ("kept/0/0", "click", 0),
        ("kept/0/1", "click", 1),
    ]
    assert {one["happened"] for one in found} == {1_767_225_600_000_000}
    assert all(before <= one["received"] <= now() for one in found)
    assert {(one["model"], one["product"]) for one in found} == {(world.name, world.spec.name)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"outcomes": [ROW, {**ROW, "task": "buy"}]}, "outcomes, row 2, column task: expected a task of the spec"),
        ({"outcomes": [{**ROW, "value": 3}]}, "row 1, column value: expected 0 or 1; found 3"),
        ({"outcomes": [{**ROW, "happened": "2033-01-01T00:00:00Z"}]}, "row 1, column happened: expected a time up to"),
        ({"outcomes": [{**ROW, "received": 5}]}, "row 1: expected the columns impression, task, value, happened;"),
        ({"outcomes": [{**ROW, "impression": "x" * 300}]}, "row 1, column impression: expected"),
        ({"outcomes": [7]}, "row 1: expected an object"),
        ({"outcomes": []}, "outcomes: expected a list of one or more"),
        ({"rows": [ROW]}, "body: expected the field outcomes"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_kept(
    client: httpx.Client, path: str, server_folder: Path, document: dict[str, Any], message: str
) -> None:
    before = kept(server_folder)
    response = client.post(path, json=document)
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert kept(server_folder) == before


def test_limits_token_and_other_paths_hold(client: httpx.Client, world: World, path: str) -> None:
    headers = {"content-type": "application/json"}
    assert client.post(path, content=b" " * (Limits().body_bytes + 1), headers=headers).status_code == 413
    assert client.post(path, content=b"{", headers=headers).status_code == 400
    assert client.get(path).status_code in (404, 405)
    other = f"/v1/models/{world.name}-other:outcomes"
    assert client.post(other, json={"outcomes": [ROW]}).status_code in (404, 405)


def test_every_outcome_answered_before_sigterm_is_kept(world: World, tmp_path: Path, path: str) -> None:
    token = tmp_path / "token"
    token.write_text("secret-" * 8)
    token.chmod(0o600)
    answered: list[str] = []

    with running_server(world, tmp_path, Limits(wait_seconds=10), str(token)) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)

        def send() -> None:
            with server.client(headers={"authorization": f"Bearer {'secret-' * 8}"}) as client:
                while True:
                    impression = f"{len(answered)}/0/0"
                    try:
                        response = client.post(path, json={"outcomes": [{**ROW, "impression": impression}]})
                    except httpx.TransportError:
                        return
                    assert response.status_code == 200, response.text
                    answered.append(impression)

        with server.client() as stranger:
            assert stranger.post(path, json={"outcomes": [ROW]}).status_code == 401
        caller = threading.Thread(target=send)
        caller.start()
        wait_until(lambda: len(answered) >= 20)
        server.process.send_signal(signal.SIGTERM)
        caller.join(60)
        assert server.process.wait(60) == 0
    assert set(answered) <= {one["impression"] for one in kept(tmp_path)}


class Full:
    """A sink whose disk is full."""

    def write(self, lines: bytes, served: int) -> None:
        raise OSError("no space left")

    def close(self) -> None:
        raise OSError("no space left")


def test_a_disk_that_does_not_take_them_is_no_success() -> None:
    log = OutcomeLog(Full(), "model", world_spec(), Limits())
    with pytest.raises(UnavailableError, match="Send them again"):
        asyncio.run(log.handle(Body({"outcomes": [ROW]}), {}))
    log.close()


def test_new_outcomes_are_collected_by_product_and_day(tmp_path: Path) -> None:
    folder = folder_beside(tmp_path / "served")
    folder.mkdir()
    line = {"model": "m", "product": "one", **ROW, "happened": 1, "received": 1_767_225_600_000_000}
    lines = [json.dumps({**line, "product": product}) for product in ("one", "two", "one")]
    (folder / "2026-01-01.jsonl").write_text("\n".join(lines) + '\n{"torn\n')
    address = outcomes_beside(f"{tmp_path}/bucket/served")
    collector = Collector(folder, address, write=write_outcomes)
    assert collector.collect() == 3
    assert collector.collect() == 0
    assert address == f"{tmp_path}/bucket/outcomes"
    (part,) = parts(address_of(f"{tmp_path}/bucket", "one"))
    assert "/one/day=2026-01-01/" in part
    assert pq.read_table(part, partitioning=None).num_rows == 2
