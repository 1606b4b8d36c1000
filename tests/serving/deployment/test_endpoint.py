import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from serving.deployment import endpoint, model_options, processes, supervisor, worker
from serving.deployment.endpoint import Endpoint
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.errors import DeploymentError, VerdictError
from serving.deployment.record import Worker
from serving.errors import EndpointError, RegistryError
from serving.settings.limits import Limits
from serving.settings.settings import Settings
from tests.serving.running import wait_until
from tests.serving.stubbed import STUB, FakeRegistry, live_kinds, live_processes, process_of
from tests.serving.world import World

pytestmark = pytest.mark.long(25)

Up = Callable[..., Endpoint]


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    monkeypatch.setattr(processes, "MODULE", STUB)
    monkeypatch.setattr(endpoint, "Registry", FakeRegistry)
    FakeRegistry.reset()
    (tmp_path / "store.yaml").touch()

    def start(
        version: str | None = None,
        port: int | None = None,
        seconds: float = 30.0,
        host: str | None = None,
        token_file: str | None = None,
        limits: Limits | None = None,
    ) -> Endpoint:
        options = endpoint.EndpointOptions(host, port, token_file, limits)
        return endpoint.up(tmp_path, "nowhere", "model", version, tmp_path / "store.yaml", seconds, options)

    yield start
    endpoint.down(tmp_path)
    assert live_processes(tmp_path) == []


def kill(pid: int) -> None:
    process = psutil.Process(pid)  # while it exists
    process.kill()
    psutil.wait_procs([process], timeout=10)


def test_up_status_down(up: Up, tmp_path: Path) -> None:
    processes = EndpointProcesses(tmp_path)
    assert endpoint.status(tmp_path).state == "down"
    served = up()
    assert processes.sockets.stat().st_mode & 0o077 == 0
    assert (served.version, served.url) == ("serves", f"http://127.0.0.1:{served.port}/v1/models/model:predict")
    assert endpoint.status(tmp_path) == endpoint.Status("up", served)
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB]
    record = json.loads((tmp_path / "endpoint" / "endpoint.json").read_text(encoding="utf-8"))
    assert (record["url"], record["grpc"]) == (served.url, served.grpc)
    assert {os.getsid(pid) for pid in live_processes(tmp_path)}.isdisjoint({os.getsid(0)})
    assert endpoint.down(tmp_path)
    assert not endpoint.down(tmp_path)
    assert endpoint.status(tmp_path).state == "down"
    assert not processes.sockets.exists()


def test_down_of_what_never_was(tmp_path: Path) -> None:
    assert not endpoint.down(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("keep_port", [True, False])
def test_up_again_replaces_at_the_same_address(up: Up, tmp_path: Path, keep_port: bool) -> None:
    first = up()
    second = up("other", first.port if keep_port else None)
    assert (second.url, second.previous) == (first.url, "serves")
    assert endpoint.status(tmp_path).endpoint == second
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB]
    assert len(list((tmp_path / "endpoint" / "servers").iterdir())) == 1
    # The bundle of the version before is kept: a rollback needs no registry.
    bundles = sorted(bundle.name for bundle in (tmp_path / "endpoint" / "models").iterdir())
    assert bundles == ["model-other", "model-serves"]


def test_another_port_is_moved_to(up: Up, tmp_path: Path) -> None:
    first = up()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    second = up(port=port)
    assert second.port == port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first.port))


@pytest.mark.parametrize(
    ("version", "message", "seconds"),
    [("dies", "the last words of the stub", 30.0), ("never-healthy", "healthy in time", 4.0)],
)
def test_a_failed_start_leaves_the_old_server_and_says_why(
    up: Up, tmp_path: Path, version: str, message: str, seconds: float
) -> None:
    first = up()
    before = live_processes(tmp_path)
    with pytest.raises(EndpointError, match=message) as error:
        up(version, seconds=seconds)
    assert f"stub of model-{version}" in str(error.value)
    assert "model-serves" not in str(error.value)
    assert endpoint.status(tmp_path) == endpoint.Status("up", first)
    assert live_processes(tmp_path) == before


def test_a_failed_first_start_leaves_nothing(up: Up, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="the last words of the stub"):
        up("dies")
    assert endpoint.status(tmp_path).state == "down"
    assert live_processes(tmp_path) == []


@pytest.mark.parametrize("part", ["stub_server", "envoy.json"])
def test_what_is_killed_is_started_again(up: Up, tmp_path: Path, part: str) -> None:
    served = up()
    first = process_of(tmp_path, part)
    kill(first)
    wait_until(lambda: live_kinds(tmp_path) == ["envoy", "supervisord", STUB], seconds=10)
    wait_until(lambda: endpoint.status(tmp_path) == endpoint.Status("up", served), seconds=10)
    assert process_of(tmp_path, part) != first


def test_after_a_killed_supervisor_nothing_is_left_behind(up: Up, tmp_path: Path) -> None:
    first = up()
    kill(process_of(tmp_path, "supervisor.conf"))
    assert live_kinds(tmp_path) == ["envoy", STUB]
    assert endpoint.status(tmp_path).state == "down"
    up(port=first.port)
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB]
    kill(process_of(tmp_path, "supervisor.conf"))
    assert not endpoint.down(tmp_path)
    assert live_processes(tmp_path) == []
    assert not EndpointProcesses(tmp_path).sockets.exists()


def test_a_process_of_another_program_is_never_ended(up: Up, tmp_path: Path) -> None:
    settings = up().stable.settings
    command = [sys.executable, "-c", "input()", settings]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as foreign:
        kill(process_of(tmp_path, "supervisor.conf"))
        endpoint.down(tmp_path)
        assert foreign.poll() is None
        foreign.communicate(b"\n")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', '{"url": 1, "grpc": 2, "workers": [{"x": 1}]}'])
def test_a_broken_record_is_no_server(up: Up, tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint").mkdir()
    (tmp_path / "endpoint" / "endpoint.json").write_text(text, encoding="utf-8")
    assert endpoint.status(tmp_path).state == "down"
    assert not endpoint.down(tmp_path)


def test_a_record_that_is_lost_is_no_obstacle(up: Up, tmp_path: Path) -> None:
    first = up()
    (tmp_path / "endpoint" / "endpoint.json").unlink()
    assert endpoint.status(tmp_path).state == "down"
    assert up(port=first.port).port == first.port
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB]


def test_a_server_that_ignores_sigterm_is_killed(up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_STOP_SECONDS", 1)
    up("stubborn")
    assert endpoint.down(tmp_path)
    assert live_processes(tmp_path) == []


def test_a_taken_port_is_reported_before_anything_starts(up: Up, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EndpointError, match="expected a free one"):
        up(port=taken.getsockname()[1])
    assert live_processes(tmp_path) == []


def test_a_store_that_was_never_applied_is_reported(world: World, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="Apply the features first"):
        endpoint.up(tmp_path, world.tracking_uri, world.name)
    assert not (tmp_path / "endpoint").exists()


def test_the_default_is_reached_from_this_machine_only(up: Up, tmp_path: Path) -> None:
    served = up()
    connections = [found for pid in live_processes(tmp_path) for found in psutil.Process(pid).connections()]
    listening = {(found.laddr.ip, found.laddr.port) for found in connections if found.status == psutil.CONN_LISTEN}
    ports = (served.port, served.stable.port, served.stable.grpc_port)
    assert listening == {("127.0.0.1", port) for port in ports}


def test_another_address_is_the_proxys_alone(up: Up, tmp_path: Path) -> None:
    served = up(host="0.0.0.0")
    assert (served.host, Settings.read(Path(served.stable.settings)).host) == ("0.0.0.0", "127.0.0.1")
    assert served.url.startswith(f"http://127.0.0.1:{served.port}/")
    assert endpoint.status(tmp_path).state == "up"
    with pytest.raises(EndpointError, match=r"192\.0\.2\.1: expected a free one"):
        up(host="192.0.2.1")  # reserved for documentation: no machine has it


def test_what_is_held_stays_unless_another_is_given(up: Up, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef", encoding="utf-8")
    first = up(host="0.0.0.0", token_file=str(token), limits=Limits(concurrent=3))
    again = up()
    assert (again.host, again.port) == ("0.0.0.0", first.port)
    held = Settings.read(Path(again.stable.settings))
    assert (held.token_file, held.limits) == (str(token.resolve()), Limits(concurrent=3))
    beside = canary(tmp_path, "2").canary
    assert beside is not None
    assert Settings.read(Path(beside.settings)).limits == Limits(concurrent=3)
    other = Settings.read(Path(up(token_file="", limits=Limits()).stable.settings))
    assert (other.token_file, other.limits) == ("", Limits())


def canary(state: Path, version: str) -> Endpoint:
    return endpoint.canary(state, "nowhere", "model", version, 20, state / "store.yaml", seconds=30.0)


def test_a_canary_is_beside_what_is_served_and_else_beside_the_champion(up: Up, tmp_path: Path) -> None:
    FakeRegistry.champions["model"] = "1"
    begun = canary(tmp_path, "2")
    assert [(one.version, one.percent) for one in begun.workers] == [("1", 80), ("2", 20)]
    assert canary(tmp_path, "2") == begun  # repeating a step
    with pytest.raises(VerdictError, match="found 'hold'"):
        canary(tmp_path, "held")
    assert endpoint.status(tmp_path) == endpoint.Status("up", begun)
    assert FakeRegistry.champions == {"model": "1"}


def test_of_several_models_the_one_that_was_served_last_is_taken(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["model", "another"]
    monkeypatch.setattr(FakeRegistry, "names", lambda _: names, raising=False)
    monkeypatch.setattr(model_options, "Registry", FakeRegistry)
    options = argparse.Namespace(state=tmp_path, tracking_uri="nowhere", model=None)
    with pytest.raises(RegistryError, match="found model, another"):
        model_options.find(options)
    up()
    kill(process_of(tmp_path, "supervisor.conf"))
    assert model_options.find(options)[1] == "model"
    names[0] = "third"
    with pytest.raises(RegistryError, match="--model"):
        model_options.find(options)


def test_an_unknown_version_is_reported(world: World, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="found '99'"):
        endpoint.up(tmp_path, world.tracking_uri, world.name, "99", world.store_config)
    assert live_processes(tmp_path) == []


def test_a_canary_that_may_not_be_changes_nothing(up: Up, tmp_path: Path) -> None:
    FakeRegistry.champions["model"] = "1"
    with pytest.raises(VerdictError, match="AUC fell"):
        canary(tmp_path, "held")
    assert endpoint.status(tmp_path).state == "down"  # and the champion was not started
    served = up("3")
    with pytest.raises(DeploymentError, match="expected the champion, version 1, to be served; found version 3"):
        canary(tmp_path, "2")
    assert endpoint.status(tmp_path) == endpoint.Status("up", served)


@pytest.mark.parametrize(("away", "state"), [(None, "up"), (81, "unhealthy"), (91, "unhealthy"), (80, "unhealthy")])
def test_an_endpoint_is_up_if_every_worker_and_the_proxy_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: int | None, state: str
) -> None:
    workers = Worker("1", "", 81, 82, 90), Worker("2", "", 91, 92, 10)
    served = Endpoint("model", "1", "0.0.0.0", 80, 80, "", workers)
    monkeypatch.setattr(EndpointProcesses, "current", lambda self: served)
    monkeypatch.setattr(EndpointProcesses, "requests", lambda self, one: one.port)
    monkeypatch.setattr(worker, "healthy", lambda name, host, port, grpc: (host, port != away) == ("127.0.0.1", True))
    assert endpoint.status(tmp_path) == endpoint.Status(state, served)  # type: ignore[arg-type]
    assert endpoint.served_versions(tmp_path) == {"1", "2"}
    assert endpoint.requests(tmp_path, served) == [(workers[0], 81), (workers[1], 91)]
    monkeypatch.setattr(EndpointProcesses, "current", lambda self: None)
    assert endpoint.served_versions(tmp_path) == set()
