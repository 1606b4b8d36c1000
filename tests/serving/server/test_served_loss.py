"""What the served log of a real server loses: nothing at SIGTERM, a bounded number at SIGKILL, and no answer ever."""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from serving.server.served_log import WAITING
from serving.settings.limits import Limits
from tests.serving.requests import v1
from tests.serving.running import RunningServer, counter_value, logged_lines, running_server, wait_until
from tests.serving.world import World

pytestmark = pytest.mark.long(20)

LIMITS = Limits(wait_seconds=10)


class Caller(threading.Thread):
    """Sends requests until the server closes the connection; keeps the ids of all impressions that it got."""

    def __init__(self, server: RunningServer, world: World) -> None:
        super().__init__()
        self.answered: list[str] = []
        self.answers = 0
        self._server, self._world = server, world
        self.start()

    def run(self) -> None:
        document = v1(self._world, *self._world.keys("item"))
        with self._server.client() as client:
            while True:
                try:
                    response = client.post(f"/v1/models/{self._world.name}:predict", json=document)
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                (found,) = response.json()["predictions"]
                self.answered += [candidate["impression"] for candidate in found["slate"]]
                self.answers += 1
                if response.headers.get("connection") == "close":
                    return


def end_under_load(world: World, folder: Path, sign: signal.Signals) -> tuple[set[str], set[str]]:
    """Ids of the impressions that were answered, and of those in the log, of a server that gets the signal."""
    with running_server(world, folder, LIMITS) as server:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        callers = [Caller(server, world) for _ in range(4)]
        wait_until(lambda: all(caller.answers >= 25 for caller in callers))
        server.process.send_signal(sign)
        for caller in callers:
            caller.join(60)
        assert server.process.wait(60) == (0 if sign == signal.SIGTERM else -sign)
    answered = {one for caller in callers for one in caller.answered}
    return answered, {line["impression"] for line in logged_lines(folder / "served")}


def test_after_sigterm_every_answered_impression_is_in_the_log(world: World, tmp_path: Path) -> None:
    answered, logged = end_under_load(world, tmp_path, signal.SIGTERM)
    assert answered
    assert answered <= logged


@pytest.mark.serial  # few wait where the sink keeps up with the requests
def test_after_sigkill_what_waited_for_the_sink_is_missing_and_no_more(world: World, tmp_path: Path) -> None:
    answered, logged = end_under_load(world, tmp_path, signal.SIGKILL)
    missing = {one.rpartition("/")[0] for one in answered - logged}
    slates = {one.rpartition("/")[0] for one in answered}
    assert len(slates) >= 100
    assert len(missing) <= 10  # with a sink that keeps up hardly any wait; there are places for WAITING


def test_a_line_survives_a_kill_that_comes_after_it_was_written(world: World, tmp_path: Path) -> None:
    with running_server(world, tmp_path, LIMITS) as server, server.client() as client:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        response = client.post(f"/v1/models/{world.name}:predict", json=v1(world, 1))
        (sent,) = response.json()["predictions"][0]["slate"]
        wait_until(lambda: logged_lines(tmp_path / "served"), 20)
        server.process.kill()
        server.process.wait(20)
    assert [line["impression"] for line in logged_lines(tmp_path / "served")] == [sent["impression"]]


def test_a_sink_that_hangs_delays_no_answer_and_no_stop(world: World, tmp_path: Path) -> None:
    """The log's file is a pipe that nobody reads, so that writing never ends, as on a hung network disk."""
    folder = tmp_path / "served"
    folder.mkdir()
    for days in range(2):
        os.mkfifo(folder / f"{datetime.now(UTC).date() + timedelta(days)}.jsonl")
    many = {"instances": v1(world, 1, 6)["instances"] * 16}
    calls = WAITING // 16 + 2
    with running_server(world, tmp_path, Limits(wait_seconds=10)) as server, server.client() as client:
        wait_until(lambda: server.probe("/v2/health/ready") == 200)
        for _ in range(calls):
            response = client.post(f"/v1/models/{world.name}:predict", json=many)
            assert response.status_code == 200, response.text
        beyond = calls * 16 - WAITING - 1  # one more is being written
        assert counter_value(client, "heliograph_unlogged_total") == 2 * beyond
        assert server.stop() == 0
        told = f"at least {2 * WAITING} impressions are missing, and {2 * beyond} from before"
        assert told in server.log.read_text(encoding="utf-8")
