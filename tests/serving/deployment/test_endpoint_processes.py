"""The endpoint's folder: lock, sockets, record and what is kept, with a supervisor that starts nothing."""

import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from serving.deployment import endpoint_processes
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.errors import DeploymentError
from serving.deployment.record import RECORD, Endpoint, Worker
from serving.deployment.supervisor import Supervisor


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Calls to the supervisor, which is alive and has three programs."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(Supervisor, "alive", lambda self: True)
    monkeypatch.setattr(Supervisor, "programs", lambda self: ["proxy", "1-a", "2-b"])
    monkeypatch.setattr(Supervisor, "remove", lambda self, name: calls.append(("remove", name)))
    monkeypatch.setattr(Supervisor, "start", lambda self: calls.append(("start",)))
    monkeypatch.setattr(Supervisor, "end", lambda self: calls.append(("end",)))
    return calls


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[EndpointProcesses]:
    found = EndpointProcesses(tmp_path / "deep" / "state")
    yield found
    if found.sockets.is_symlink():
        found.sockets.unlink()
    shutil.rmtree(found.sockets, ignore_errors=True)


def served(processes: EndpointProcesses) -> Endpoint:
    """Version 2, with the files and bundles of three versions."""
    for part in ("servers", "models", "programs", "proxy"):
        (processes.folder / part).mkdir(parents=True)
    for version in ("1", "2", "3"):
        (processes.folder / "servers" / f"{version}-{'xab'[int(version) - 1]}.json").touch()
        (processes.folder / "models" / f"model-{version}").mkdir()
    worker = Worker("2", str(processes.folder / "servers" / "2-a.json"), 81, 82, 100)
    return Endpoint("model", "2", "127.0.0.1", 80, 80, "", (worker,), previous="1")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_change_at_a_time_holds_the_lock(processes: EndpointProcesses, calls: list[tuple[str, ...]]) -> None:
    for _ in range(2):  # the folder is made once
        with processes.locked() as found, (processes.folder / "lock").open() as other:
            assert found is None
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_a_killed_supervisor_left_is_ended_and_what_runs_is_not(
    processes: EndpointProcesses, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Path] = []
    monkeypatch.setattr(endpoint_processes, "end_leftovers", ended.append)
    processes.sockets.mkdir(mode=0o700)
    (processes.sockets / "supervisor.sock").touch()
    served(processes).write(processes.folder / RECORD)
    with processes.locked() as found:
        assert found is not None
    assert (ended, names(processes.sockets)) == ([], ["supervisor.sock"])
    monkeypatch.setattr(Supervisor, "alive", lambda self: False)
    with processes.locked() as found:
        assert found is None
    assert ended == [processes.folder]
    assert not processes.sockets.exists()


@pytest.mark.parametrize(("mode", "ours"), [(0o700, True), (0o701, False), (0o710, False), (0o704, False)])
def test_sockets_are_in_a_folder_of_ours_alone(
    processes: EndpointProcesses, calls: list[tuple[str, ...]], mode: int, ours: bool
) -> None:
    processes.sockets.mkdir()
    processes.sockets.chmod(mode)
    if not ours:
        with pytest.raises(DeploymentError, match="expected a folder of ours alone; found another"):
            processes.start_supervisor()
    else:
        processes.start_supervisor()
    assert calls == ([("start",)] if ours else [])


def test_sockets_are_not_behind_a_link(
    processes: EndpointProcesses, calls: list[tuple[str, ...]], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    processes.sockets.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeploymentError, match="expected a folder of ours alone"):
        processes.start_supervisor()
    assert calls == []


def test_only_what_is_served_or_was_served_before_is_kept(
    processes: EndpointProcesses, calls: list[tuple[str, ...]]
) -> None:
    endpoint = served(processes)
    program = Worker("2", str(processes.folder / "servers" / "2-b.json"), 81, 82, 100)
    (processes.folder / "servers" / "2-b.json").touch()
    endpoint = replace(endpoint, workers=(program,))
    processes.finalize(endpoint)
    assert processes.current() == endpoint
    assert calls == [("remove", "1-a")]
    assert names(processes.folder / "servers") == ["2-b.json"]
    assert names(processes.folder / "models") == ["model-1", "model-2"]


def test_nothing_is_left_after_a_stop(processes: EndpointProcesses, calls: list[tuple[str, ...]]) -> None:
    served(processes).write(processes.folder / RECORD)
    (processes.folder / "version-2.log").touch()
    processes.sockets.mkdir()
    for name in ("supervisor.sock", "supervisor.pid", "proxy.sock"):
        (processes.sockets / name).touch()
    processes.stop()
    assert calls == [("end",)]
    assert names(processes.folder) == ["version-2.log"]
    assert not processes.sockets.exists()
    processes.clear()  # a second time


def test_a_supervisor_that_is_gone_is_not_asked_to_end(
    processes: EndpointProcesses, calls: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "alive", lambda self: False)
    served(processes)
    processes.stop()
    assert calls == []
