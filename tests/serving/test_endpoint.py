import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from serving import __main__ as commands
from serving import endpoint, process
from serving.__main__ import main
from serving.endpoint import Endpoint
from serving.errors import EndpointError, RegistryError
from serving.settings import Settings
from tests.serving.world import World

Up = Callable[..., Endpoint]


class FakeRegistry:
    """Every version is there; its name says how the server behaves."""

    def __init__(self, tracking_uri: str) -> None:
        assert tracking_uri == "nowhere"

    def require_champion(self, name: str) -> str:
        return "serves"

    def download(self, name: str, version: str, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour").write_text(version, encoding="utf-8")
        return folder


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    monkeypatch.setattr(process, "MODULE", "tests.serving.stub_server")
    monkeypatch.setattr(endpoint, "Registry", FakeRegistry)
    (tmp_path / "store.yaml").touch()

    def start(
        version: str | None = None, port: int | None = None, seconds: float = 30.0, host: str = "127.0.0.1"
    ) -> Endpoint:
        return endpoint.up(tmp_path, "nowhere", "model", version, tmp_path / "store.yaml", port, seconds, host)

    yield start
    endpoint.down(tmp_path)
    assert process_ids(tmp_path) == []


def process_ids(state: Path) -> list[int]:
    """Every living process that was started for the state folder, recorded or not."""
    found = []
    for candidate in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(candidate.info["cmdline"] or [])
        if str(state) in command and "stub_server" in command and candidate.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(candidate.pid)
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)


def test_up_status_down(up: Up, tmp_path: Path) -> None:
    assert endpoint.status(tmp_path).state == "down"
    served = up()
    assert (served.version, served.url.split(":")[-2]) == ("serves", f"{served.port}/v1/models/model")
    assert endpoint.status(tmp_path) == endpoint.Status("up", served)
    assert os.getsid(served.pid) == served.pid != os.getsid(0)
    assert endpoint.down(tmp_path)
    assert not endpoint.down(tmp_path)
    assert endpoint.status(tmp_path).state == "down"


def test_down_of_what_never_was(tmp_path: Path) -> None:
    assert not endpoint.down(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("keep_port", [True, False])
def test_up_again_replaces(up: Up, tmp_path: Path, keep_port: bool) -> None:
    first = up()
    second = up("other", first.port if keep_port else None)
    assert (second.port == first.port) is keep_port
    assert endpoint.status(tmp_path).endpoint == second
    assert process_ids(tmp_path) == [second.pid]
    assert len(list((tmp_path / "endpoint" / "servers").iterdir())) == 1
    assert [bundle.name for bundle in (tmp_path / "endpoint" / "models").iterdir()] == ["model-other"]


@pytest.mark.parametrize(
    ("version", "message"), [("dies", "the last words of the stub"), ("never healthy", "healthy in time")]
)
def test_a_failed_start_leaves_the_old_server_and_says_why(up: Up, tmp_path: Path, version: str, message: str) -> None:
    first = up()
    with pytest.raises(EndpointError, match=message) as error:
        up(version, seconds=1.0)
    assert f"stub of model-{version}" in str(error.value)
    assert "model-serves" not in str(error.value)
    assert endpoint.status(tmp_path) == endpoint.Status("up", first)
    assert process_ids(tmp_path) == [first.pid]


def test_a_killed_server_is_down_and_comes_up_again(up: Up, tmp_path: Path) -> None:
    first = up()
    kill(first.pid)
    assert endpoint.status(tmp_path).state == "down"
    assert not endpoint.down(tmp_path)
    assert up().pid != first.pid


def test_a_number_that_is_somebody_else_is_never_stopped(up: Up, tmp_path: Path) -> None:
    served = up()
    record = tmp_path / "endpoint" / "endpoint.json"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        record.write_text(json.dumps({**json.loads(record.read_text()), "pid": foreign.pid}), encoding="utf-8")
        assert endpoint.status(tmp_path).state == "down"
        process.stop(foreign.pid, Path(served.settings))
        endpoint.down(tmp_path)
        assert foreign.poll() is None
        foreign.communicate(b"\n")
    assert process_ids(tmp_path) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_a_broken_record_is_no_server(up: Up, tmp_path: Path, text: str) -> None:
    (tmp_path / "endpoint").mkdir()
    (tmp_path / "endpoint" / "endpoint.json").write_text(text, encoding="utf-8")
    assert endpoint.status(tmp_path).state == "down"
    assert not endpoint.down(tmp_path)


def test_servers_that_a_killed_start_left_behind_are_stopped(up: Up, tmp_path: Path) -> None:
    orphan = up()
    (tmp_path / "endpoint" / "endpoint.json").unlink()
    assert endpoint.status(tmp_path).state == "down"
    served = up()
    assert process_ids(tmp_path) == [served.pid] != [orphan.pid]


def test_a_server_that_ignores_sigterm_is_killed(up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = up("stubborn")
    process.stop(served.pid, Path(served.settings), seconds=0.2)
    assert endpoint.status(tmp_path).state == "down"


def test_a_taken_port_is_said_before_anything_starts(up: Up, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EndpointError, match="expected a free one"):
        up(port=taken.getsockname()[1])
    assert process_ids(tmp_path) == []


def test_a_store_that_was_never_applied_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="Apply the features first"):
        endpoint.up(tmp_path, world.tracking_uri, world.name)
    assert not (tmp_path / "endpoint").exists()


def test_the_commands(world: World, server: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--state", str(world.state)]) == 0
    assert server.url in capsys.readouterr().out
    assert main(["status", "--state", str(tmp_path)]) == 3
    assert main(["down", "--state", str(tmp_path)]) == 0
    assert "not running" in capsys.readouterr().out
    assert main(["up", "--state", str(tmp_path)]) == 1
    assert "make demo" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["restart"])


def test_the_default_is_reached_from_this_machine_only(server: Endpoint) -> None:
    connections = psutil.Process(server.pid).connections()
    listening = [found.laddr for found in connections if found.status == psutil.CONN_LISTEN]
    # gRPC listens at an IPv4 address through an IPv6 socket.
    assert {(found.ip.removeprefix("::ffff:"), found.port) for found in listening} == {
        ("127.0.0.1", server.port),
        ("127.0.0.1", server.grpc_port),
    }


def test_another_address_is_told_to_the_server_and_kept(up: Up, tmp_path: Path) -> None:
    served = up(host="0.0.0.0")
    assert Settings.read(Path(served.settings)).host == served.host == "0.0.0.0"
    assert served.url.startswith(f"http://127.0.0.1:{served.port}/")
    assert endpoint.status(tmp_path).state == "up"
    with pytest.raises(EndpointError, match=r"192\.0\.2\.1: expected a free one"):
        up(host="192.0.2.1")  # reserved for documentation: no machine has it


def test_of_several_models_the_one_that_was_served_last_is_taken(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["model", "another"]
    monkeypatch.setattr(FakeRegistry, "names", lambda _: names, raising=False)
    monkeypatch.setattr(commands, "Registry", FakeRegistry)
    with pytest.raises(RegistryError, match="found model, another"):
        commands._only_model("nowhere", tmp_path)
    kill(up().pid)
    assert commands._only_model("nowhere", tmp_path) == "model"
    names[0] = "third"
    with pytest.raises(RegistryError, match="--model"):
        commands._only_model("nowhere", tmp_path)


def test_an_unknown_version_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="found '99'"):
        endpoint.up(tmp_path, world.tracking_uri, world.name, "99", world.store_config)
