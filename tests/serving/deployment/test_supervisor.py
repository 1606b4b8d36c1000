"""Calls to supervisord, and how its refusals are read."""

from pathlib import Path
from typing import Any
from xmlrpc.client import Fault

import pytest

from serving.deployment import supervisor
from serving.deployment.errors import DeploymentError
from serving.deployment.supervisor import Supervisor


class Recorded(Supervisor):
    """A supervisor that records its calls; ``responses``: by method, the response or the error."""

    def __init__(self, folder: Path, **responses: Any) -> None:
        super().__init__(folder, folder)
        (folder / "programs").mkdir()
        self.responses: dict[str, Any] = {"getAllProcessInfo": [{"name": "one"}, {"name": "two"}], **responses}
        self.calls: list[tuple[Any, ...]] = []

    def _call(self, method: str, *arguments: Any) -> Any:
        if method != "getAllProcessInfo":
            self.calls.append((method, *arguments))
        response = self.responses.get(method)
        if isinstance(response, Exception):
            raise response
        return response


def test_a_program_is_added_and_removed(tmp_path: Path) -> None:
    found = Recorded(tmp_path)
    found.add("one", ["python", "a b", "100%"], tmp_path / "log")
    text = (tmp_path / "programs" / "one.conf").read_text(encoding="utf-8")
    assert text.startswith("[program:one]\ncommand = python 'a b' 100%%\n")
    assert f"stdout_logfile = {tmp_path / 'log'}\n" in text
    found.remove("one")
    assert not (tmp_path / "programs" / "one.conf").exists()
    found.remove("unknown")
    assert found.calls == [
        ("reloadConfig",),
        ("addProcessGroup", "one"),
        ("stopProcess", "one"),
        ("removeProcessGroup", "one"),
    ]


def test_a_program_that_does_not_run_is_removed_and_one_that_does_not_stop_is_not(tmp_path: Path) -> None:
    found = Recorded(tmp_path, stopProcess=DeploymentError("found NOT_RUNNING: one"))
    found.remove("one")
    assert found.calls == [("stopProcess", "one"), ("removeProcessGroup", "one")]
    found.responses["stopProcess"] = DeploymentError("found FAILED: one")
    with pytest.raises(DeploymentError, match="FAILED"):
        found.remove("one")
    assert found.calls[2:] == [("stopProcess", "one")]


@pytest.mark.parametrize(
    ("state", "pid", "expected"),
    [("RUNNING", 7, 7), ("STARTING", 7, 7), ("STARTING", 0, None), ("STOPPING", 7, None), ("BACKOFF", 0, None)],
)
def test_a_program_runs_if_it_has_a_process_that_is_not_ending(
    tmp_path: Path, state: str, pid: int, expected: int | None
) -> None:
    assert Recorded(tmp_path, getProcessInfo={"statename": state, "pid": pid}).running("one") == expected


def test_every_program_ends_before_the_supervisor_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, awaited = Recorded(tmp_path, getPID=77), list[int]()
    monkeypatch.setattr(supervisor, "await_end", lambda pid, seconds: awaited.append(pid))
    found.end()
    assert found.calls == [
        *(pair for name in ("one", "two") for pair in (("stopProcess", name), ("removeProcessGroup", name))),
        ("getPID",),
        ("shutdown",),
    ]
    assert awaited == [77]


def test_one_that_does_not_respond_is_not_alive(tmp_path: Path) -> None:
    silent = Supervisor(tmp_path, tmp_path)
    assert not silent.alive()
    with pytest.raises(DeploymentError, match=r"^supervisor: expected it to respond; found FileNotFoundError$"):
        silent.programs()


def test_a_refusal_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        """A server that refuses every call."""

        def __init__(self, *given: object, **named: object) -> None:
            self.supervisor = self

        def __enter__(self) -> "Refusing":
            return self

        def __exit__(self, *error: object) -> None:
            """Do nothing."""

        def addProcessGroup(self, name: str) -> None:  # noqa: N802
            raise Fault(10, f"BAD_NAME: {name}")

    monkeypatch.setattr(supervisor, "ServerProxy", Refusing)
    with pytest.raises(DeploymentError, match=r"^supervisor: expected it to do addProcessGroup; found BAD_NAME: one$"):
        Supervisor(tmp_path, tmp_path)._call("addProcessGroup", "one")


def test_one_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_DAEMON", supervisor._DAEMON.replace("1MB", "many"))
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "left.conf").touch()
    with pytest.raises(DeploymentError, match=r"^supervisor: expected supervisord to start; found: ") as error:
        Supervisor(tmp_path, tmp_path).start()
    assert "Error" in str(error.value)
    assert "b'" not in str(error.value)
    assert list((tmp_path / "programs").iterdir()) == []
