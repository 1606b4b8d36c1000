"""The embedded target with stub servers: shares, refusals, and the result of a failed change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.__main__ import main
from serving.deployment import endpoint, model_options, processes
from serving.deployment.embedded import Embedded, EndpointOptions
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.deployment.errors import DeploymentError
from serving.deployment.proxy import Proxy
from serving.deployment.rollout import Rollout
from serving.errors import EndpointError
from serving.settings.settings import Settings
from tests.serving.stubbed import STUB, FakeRegistry, live_kinds, live_processes


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    monkeypatch.setattr(processes, "MODULE", STUB)
    for module in (endpoint, model_options):
        monkeypatch.setattr(module, "Registry", FakeRegistry)
    FakeRegistry.reset(model="1")
    (tmp_path / "store.yaml").touch()
    yield Embedded(tmp_path, FakeRegistry("nowhere"), "model", seconds=30.0)  # type: ignore[arg-type]
    endpoint.down(tmp_path)
    assert live_processes(tmp_path) == []


def serve(target: Embedded, tmp_path: Path, version: str = "1") -> endpoint.Endpoint:
    return target.up(version, tmp_path / "store.yaml", EndpointOptions())


def test_out_and_back(target: Embedded, tmp_path: Path) -> None:
    served = serve(target, tmp_path)
    target.canary("2", 10)
    assert (target.traffic(), target.candidate()) == ({"1": 90, "2": 10}, "2")
    target.canary("2", 50)
    assert target.traffic() == {"1": 50, "2": 50}
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB, STUB]
    with pytest.raises(DeploymentError, match="expected a canary of version 3; found 2"):
        target.promote("3")
    target.promote("2")
    target.promote("2")  # done already
    assert target.traffic() == {"2": 100}
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB]
    assert (target.version(), target.state(), target.address().url) == ("2", "up", served.url)
    assert target.rollback() == "2"
    found = endpoint.status(tmp_path).endpoint
    assert found is not None
    assert (found.version, found.previous, found.url) == ("1", None, served.url)
    with pytest.raises(DeploymentError, match="expected a canary or a previous version"):
        target.rollback()  # a rolled-back version does not come back


def test_every_worker_gets_the_digest_of_its_bundle(target: Embedded, tmp_path: Path) -> None:
    serve(target, tmp_path)
    target.canary("2", 10)
    found = endpoint.status(tmp_path).endpoint
    assert found is not None
    digests = [Settings.read(Path(worker.settings)).digest for worker in found.workers]
    assert digests == [FakeRegistry("nowhere").digest("model", version) for version in ("1", "2")]


def test_a_canary_is_taken_back(target: Embedded, tmp_path: Path) -> None:
    serve(target, tmp_path)
    target.canary("2", 99)
    assert target.rollback() == "2"
    assert (target.traffic(), live_kinds(tmp_path)) == ({"1": 100}, ["envoy", "supervisord", STUB])
    with pytest.raises(DeploymentError, match="expected a canary or a previous version"):
        target.rollback()


@pytest.mark.parametrize(("champion", "after"), [("2", "1"), ("3", "3")])
def test_the_champion_goes_back_with_the_traffic(target: Embedded, tmp_path: Path, champion: str, after: str) -> None:
    serve(target, tmp_path)
    serve(target, tmp_path, "2")
    FakeRegistry.champions["model"] = champion
    Rollout(target, FakeRegistry("nowhere"), "model").rollback()  # type: ignore[arg-type]
    assert FakeRegistry.champions == {"model": after}


def test_what_cannot_be_changed_is_reported(target: Embedded, tmp_path: Path) -> None:
    for change in (lambda: target.promote("2"), target.rollback, target.traffic, lambda: target.canary("2", 10)):
        with pytest.raises(DeploymentError, match="expected it to be served"):
            change()
    serve(target, tmp_path)
    with pytest.raises(DeploymentError, match="expected a canary; found version 1 with all traffic"):
        target.promote("2")
    with pytest.raises(DeploymentError, match="expected another than the one that is served"):
        target.canary("1", 10)
    for percent in (-1, 0, 100, 101):
        with pytest.raises(DeploymentError, match="expected 1 to 99"):
            target.canary("2", percent)
    target.canary("2", 10)
    with pytest.raises(DeploymentError, match="found version 2 with 10 %"):
        target.canary("3", 10)
    assert target.traffic() == {"1": 90, "2": 10}


@pytest.mark.parametrize("version", ["dies", "never-healthy"])
def test_a_canary_that_does_not_come_up_changes_nothing(target: Embedded, tmp_path: Path, version: str) -> None:
    served = serve(target, tmp_path)
    before = live_processes(tmp_path)
    impatient = Embedded(tmp_path, FakeRegistry("nowhere"), "model", seconds=1.0)  # type: ignore[arg-type]
    with pytest.raises(EndpointError):
        impatient.canary(version, 10)
    assert endpoint.status(tmp_path) == endpoint.Status("up", served)
    assert live_processes(tmp_path) == before


def test_a_proxy_that_does_not_follow_leaves_the_shares_as_they_were(
    target: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(target, tmp_path)
    target.canary("2", 10)
    follow = Proxy.await_shares

    def once(proxy: Proxy, *workers: object) -> None:
        monkeypatch.setattr(Proxy, "await_shares", follow)
        raise DeploymentError("the proxy sleeps")

    monkeypatch.setattr(Proxy, "await_shares", once)
    with pytest.raises(DeploymentError, match="sleeps"):
        target.promote("2")
    assert target.traffic() == {"1": 90, "2": 10}
    assert live_kinds(tmp_path) == ["envoy", "supervisord", STUB, STUB]
    target.promote("2")
    assert target.traffic() == {"2": 100}


def test_sockets_in_another_users_folder_are_not_used(target: Embedded, tmp_path: Path) -> None:
    sockets = EndpointProcesses(tmp_path).sockets
    sockets.mkdir(mode=0o755)
    sockets.chmod(0o755)
    (sockets / "theirs").touch()
    try:
        with pytest.raises(DeploymentError, match="expected a folder of ours alone"):
            serve(target, tmp_path)
        assert live_processes(tmp_path) == []
    finally:
        (sockets / "theirs").unlink()
        sockets.rmdir()


def test_the_commands(target: Embedded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--state", str(tmp_path), "--tracking-uri", "nowhere"]
    assert main(["status", *where]) == 3
    begin = ["up", *where, "--version", "1", "--store-config", str(tmp_path / "store.yaml")]
    limits = tmp_path / "limits.json"
    limits.write_text('{"concurent": 4}', encoding="utf-8")
    assert main([*begin, "--limits", str(limits)]) == 1
    assert "found 'concurent'" in capsys.readouterr().err
    assert live_processes(tmp_path) == []
    assert main(begin) == 0
    capsys.readouterr()

    def run_command(*arguments: str, status: int = 0) -> str:
        assert main([*arguments, *where]) == status
        printed = capsys.readouterr()
        assert status or f"--state {tmp_path}" in printed.out.partition("\nnext: python -m serving ")[2]
        return printed.out + printed.err

    assert "version held: expected the gate's verdict" in run_command("canary", "--version", "held", status=1)
    verdicts = ["candidate: promote (candidate)", "held: hold", "unjudged: not judged", "1: promote (champion)"]
    assert run_command("versions").splitlines()[1:-1] == [f"version {verdict}" for verdict in verdicts]
    assert "version candidate has 20 % of the traffic" in run_command("canary", "--percent", "20")
    status = run_command("status")
    assert (
        "version candidate: 20 % of the traffic, 0 requests so far\nversion candidate: age of the vectors unknown"
        in status
    )
    assert "version candidate has all traffic, and is the champion" in run_command("promote")
    assert FakeRegistry.champions == {"model": "candidate"}
    assert "version candidate has no traffic any more" in run_command("rollback")
    assert FakeRegistry.champions == {"model": "1"}
    assert "up: model version 1" in run_command("status")
    FakeRegistry.canaries["model"] = "9"  # of an endpoint that was killed
    assert "down: stopped" in run_command("down")
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({"model": "1"}, {})
    assert main(begin) == 0
    capsys.readouterr()
    assert main(["down", "--state", str(tmp_path)]) == 0
    assert "down: stopped" in capsys.readouterr().out
    assert main(["down", "--state", str(tmp_path)]) == 0
    assert "was not running" in capsys.readouterr().out
    assert main(["up", "--state", str(tmp_path)]) == 1
    assert "make demo" in capsys.readouterr().err
