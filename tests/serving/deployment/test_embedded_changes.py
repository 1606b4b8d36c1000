"""The order of an endpoint's changes, and how each is undone, with processes that only record their calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.deployment import embedded, endpoint
from serving.deployment.embedded import Embedded, EndpointOptions, _previous
from serving.deployment.errors import DeploymentError
from serving.deployment.record import Endpoint, Worker
from serving.errors import RegistryError
from serving.settings.settings import Settings
from tests.serving.stubbed import FakeRegistry

Shares = dict[str, int]


class Recorded:
    """The processes of an endpoint; ``fails``: the calls that fail once, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: Endpoint | None = None
        self.calls: list[tuple[object, ...]] = []
        self.fails: list[str] = []
        self.ports: list[int] = []

    def record(self, name: str, *what: object) -> None:
        self.calls.append((name, *what))
        if name in self.fails:
            self.fails.remove(name)
            raise DeploymentError(f"{name} failed")

    @contextmanager
    def locked(self) -> Iterator[Endpoint | None]:
        yield self.found

    def current(self) -> Endpoint | None:
        return self.found

    def start_supervisor(self) -> None:
        self.record("supervisor")

    def start_worker(self, endpoint: Endpoint, started: Worker, seconds: float) -> None:
        self.record("worker", started.version, seconds)

    def start_proxy(self, endpoint: Endpoint) -> None:
        self.ports.append(endpoint.port)
        self.record("proxy", endpoint.host, shares(endpoint))

    def shift_traffic(self, endpoint: Endpoint, before: Endpoint) -> None:
        self.record("shift", shares(endpoint), shares(before))

    def finalize(self, endpoint: Endpoint) -> None:
        self.found = endpoint
        self.record("finalize", shares(endpoint))

    def stop(self) -> None:
        self.found = None
        self.record("stop")


def shares(endpoint: Endpoint) -> Shares:
    return {worker.version: worker.percent for worker in endpoint.workers}


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    found = Recorded(tmp_path)
    monkeypatch.setattr(embedded, "EndpointProcesses", lambda state: found)
    FakeRegistry.reset(model="1")
    return found


@pytest.fixture
def target(processes: Recorded, tmp_path: Path) -> Embedded:
    return Embedded(tmp_path, FakeRegistry("nowhere"), "model")  # type: ignore[arg-type]


def serve(target: Embedded, version: str = "1", host: str | None = None, port: int | None = None) -> Endpoint:
    return target.up(version, Path("store.yaml"), EndpointOptions(host=host, port=port))


def after(processes: Recorded) -> list[tuple[object, ...]]:
    """The calls since the last look."""
    calls, processes.calls = processes.calls, []
    return calls


def test_the_first_version_gets_a_supervisor_a_worker_and_a_proxy(target: Embedded, processes: Recorded) -> None:
    served = serve(target)
    assert processes.calls == [
        ("supervisor",),
        ("worker", "1", 120.0),
        ("proxy", "127.0.0.1", {"1": 100}),
        ("finalize", {"1": 100}),
    ]
    assert (target.traffic(), served.version, served.previous) == ({"1": 100}, "1", None)
    assert served.port == served.grpc_port == processes.ports[0] > 1
    settings = Settings.read(Path(served.stable.settings))
    assert (settings.port, settings.grpc_port) == (served.stable.port, served.stable.grpc_port)
    assert len({settings.port, settings.grpc_port, served.port}) == 3
    assert settings.store_config == str(Path("store.yaml").resolve())


def test_a_version_that_cannot_be_fetched_starts_nothing(
    target: Embedded, processes: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> Path:
        raise RegistryError("found 'none'")

    monkeypatch.setattr(FakeRegistry, "download", refuse)
    with pytest.raises(RegistryError):
        serve(target)
    assert processes.calls == []


@pytest.mark.parametrize("failing", ["worker", "proxy"])
def test_a_first_start_that_fails_is_stopped(target: Embedded, processes: Recorded, failing: str) -> None:
    processes.fails = [failing]
    with pytest.raises(DeploymentError, match=f"{failing} failed"):
        serve(target)
    assert processes.calls[-1] == ("stop",)
    assert processes.found is None


def test_the_next_version_takes_the_traffic_at_the_same_address(target: Embedded, processes: Recorded) -> None:
    first = serve(target)
    after(processes)
    second = serve(target, "2", port=first.port)
    assert after(processes) == [
        ("worker", "2", 120.0),
        ("shift", {"2": 100}, {"1": 100}),
        ("finalize", {"2": 100}),
    ]
    assert (second.port, second.previous) == (first.port, "1")
    assert serve(target, "2").previous == "1"


@pytest.mark.parametrize("where", ["host", "port"])
def test_another_address_gets_a_new_proxy_and_gives_it_back_on_failure(
    target: Embedded, processes: Recorded, where: str
) -> None:
    first = serve(target)
    host, port = ("0.0.0.0", None) if where == "host" else (None, first.port + 1 if first.port < 65535 else 2000)
    after(processes)
    processes.fails = ["proxy"]
    with pytest.raises(DeploymentError, match="proxy failed"):
        serve(target, "2", host, port)
    listened = host or "127.0.0.1"
    assert after(processes) == [
        ("worker", "2", 120.0),
        ("proxy", listened, {"2": 100}),
        ("proxy", "127.0.0.1", {"1": 100}),
        ("finalize", {"1": 100}),
    ]
    assert processes.ports[-1] == first.port
    assert processes.found == first
    second = serve(target, "2", host, port)
    assert (second.host, after(processes)[1]) == (listened, ("proxy", listened, {"2": 100}))
    assert port is None or second.port == port


@pytest.mark.parametrize("failing", ["worker", "shift"])
def test_a_version_that_fails_leaves_the_one_before(target: Embedded, processes: Recorded, failing: str) -> None:
    first = serve(target)
    after(processes)
    processes.fails = [failing]
    with pytest.raises(DeploymentError, match=f"{failing} failed"):
        serve(target, "2")
    back = [("shift", {"2": 100}, {"1": 100}), ("shift", {"1": 100}, {"2": 100})] if failing == "shift" else []
    assert after(processes) == [("worker", "2", 120.0), *back, ("finalize", {"1": 100})]
    assert processes.found == first


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_a_canary_gets_its_share_and_the_rest_stays(target: Embedded, processes: Recorded, percent: int) -> None:
    serve(target)
    after(processes)
    target.canary("2", percent)
    both = {"1": 100 - percent, "2": percent}
    assert after(processes) == [("worker", "2", 120.0), ("shift", both, {"1": 100}), ("finalize", both)]
    target.canary("2", 10)
    assert after(processes) == [("shift", {"1": 90, "2": 10}, both), ("finalize", {"1": 90, "2": 10})]
    target.promote("2")
    assert after(processes) == [("shift", {"2": 100}, {"1": 90, "2": 10}), ("finalize", {"2": 100})]


@pytest.mark.parametrize("change", ["canary", "promote", "rollback"])
def test_a_change_that_the_proxy_does_not_follow_is_undone(target: Embedded, processes: Recorded, change: str) -> None:
    serve(target)
    target.canary("2", 10)
    before = processes.found
    after(processes)
    processes.fails = ["shift"]
    changes = {"canary": lambda: target.canary("2", 40), "promote": lambda: target.promote("2")}
    with pytest.raises(DeploymentError, match="shift failed"):
        changes.get(change, target.rollback)()
    wanted = {"canary": {"1": 60, "2": 40}, "promote": {"2": 100}, "rollback": {"1": 100}}[change]
    both = {"1": 90, "2": 10}
    assert after(processes) == [("shift", wanted, both), ("shift", both, wanted), ("finalize", both)]
    assert processes.found == before


def test_rollback_stops_the_canary_or_else_serves_the_version_before(target: Embedded, processes: Recorded) -> None:
    first = serve(target)
    target.canary("2", 10)
    after(processes)
    assert target.rollback() == "2"
    assert after(processes) == [("shift", {"1": 100}, {"1": 90, "2": 10}), ("finalize", {"1": 100})]
    target.canary("2", 10)
    target.promote("2")
    after(processes)
    assert target.rollback("2", "9") == "2"  # what this endpoint served before goes before the registry's
    assert after(processes)[1:] == [("shift", {"1": 100}, {"2": 100}), ("finalize", {"1": 100})]
    assert processes.found is not None
    assert (processes.found.port, processes.found.previous) == (first.port, None)
    with pytest.raises(DeploymentError, match="expected a canary or a previous version"):
        target.rollback("1", "1")
    assert target.rollback("1", "9") == "1"
    assert target.version() == "9"


def test_another_model_is_not_changed(target: Embedded, processes: Recorded, tmp_path: Path) -> None:
    served = serve(target)
    other = Embedded(tmp_path, FakeRegistry("nowhere"), "other")  # type: ignore[arg-type]
    for change in (other.traffic, other.candidate, other.rollback, lambda: other.canary("2", 10)):
        with pytest.raises(DeploymentError, match="other: expected it to be served; it is not"):
            change()
    assert processes.found == served


@pytest.mark.parametrize(
    ("name", "version", "expected"), [("model", "2", "1"), ("model", "1", "0"), ("other", "2", None)]
)
def test_the_version_before_is_that_of_the_same_model(name: str, version: str, expected: str | None) -> None:
    served = Endpoint("model", "1", "127.0.0.1", 80, 80, "", (), previous="0")
    assert _previous(served, name, version) == expected
    assert _previous(None, name, version) is None


def test_a_canary_of_what_is_taken_down_meanwhile_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("1", "", 81, 82, 100)
    found = [Endpoint("model", "1", "127.0.0.1", 80, 80, "", (worker,)), None]
    monkeypatch.setattr(endpoint, "Registry", FakeRegistry)
    FakeRegistry.reset(model="1")
    monkeypatch.setattr(endpoint.Rollout, "canary", lambda self, version, percent: version)
    monkeypatch.setattr(embedded.EndpointProcesses, "current", lambda self: found.pop(0))
    with pytest.raises(DeploymentError, match="model: expected it to be served; it is not"):
        endpoint.canary(tmp_path, "nowhere", "model", "2", 10)
