"""What is written for Envoy and when, and how its own view of the workers is read; no Envoy runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.deployment import proxy
from serving.deployment.errors import DeploymentError
from serving.deployment.proxy import Host, Proxy, _follows, _host
from serving.deployment.record import Worker

OLD, NEW = Worker("1", "", 11, 12, 100), Worker("2", "", 21, 22, 100)


def test_leaving_workers_stay_until_the_others_are_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[Worker], list[Worker]]] = []

    def written(self: Proxy, workers: Sequence[Worker]) -> None:
        calls.append(("write", list(workers), []))

    def awaited(self: Proxy, workers: Sequence[Worker], leaving: Sequence[Worker] = ()) -> None:
        calls.append(("await", list(workers), list(leaving)))

    monkeypatch.setattr(Proxy, "_write", written)
    monkeypatch.setattr(Proxy, "await_shares", awaited)
    Proxy(tmp_path, tmp_path).share([NEW], [OLD])
    assert calls == [("write", [NEW, OLD], []), ("await", [NEW], [OLD]), ("write", [NEW], []), ("await", [NEW], [])]
    calls.clear()
    Proxy(tmp_path, tmp_path).share([NEW])
    assert calls == [("write", [NEW], []), ("await", [NEW], [])]


@pytest.mark.parametrize(
    ("hosts", "leaving", "follows"),
    [
        ({21: Host(100, True, 0)}, [], True),
        ({22: Host(100, True, 0)}, [], False),
        ({21: Host(100, False, 0)}, [], False),
        ({21: Host(99, True, 0)}, [], False),
        ({21: Host(100, True, 0), 11: Host(100, True, 0)}, [], False),
        ({21: Host(100, True, 0)}, [OLD], False),
        ({21: Host(100, True, 0), 11: Host(5, False, 0)}, [OLD], True),
        ({}, [], False),
    ],
)
def test_envoy_follows_once_it_has_these_workers_and_finds_them_healthy(
    hosts: dict[int, Host], leaving: list[Worker], follows: bool
) -> None:
    assert _follows(hosts, "http", [NEW], leaving) is follows


def test_a_host_is_unhealthy_if_any_check_failed() -> None:
    def status(**health: object) -> dict[str, Any]:
        stats = [{"name": "cx_total", "value": "9"}, {"name": "rq_total"}]
        address = {"socket_address": {"address": "127.0.0.1", "port_value": 21}}
        return {"address": address, "health_status": health, "weight": 30, "stats": stats}

    assert _host(status(eds_health_status="HEALTHY")) == (21, Host(30, True, 0))
    assert _host(status(eds_health_status="HEALTHY", failed_active_health_check=True)) == (21, Host(30, False, 0))
    counted = status()
    counted["stats"][1]["value"] = "12"
    assert _host(counted) == (21, Host(30, True, 12))


def test_requests_are_those_of_both_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {"http": {21: Host(1, True, 3), 11: Host(1, True, 50)}, "grpc": {22: Host(1, True, 4)}}
    monkeypatch.setattr(Proxy, "_hosts", lambda self: hosts)
    one = Proxy(tmp_path, tmp_path)
    assert [one.requests(worker) for worker in (NEW, OLD)] == [7, 50]
    hosts.clear()
    assert one.requests(NEW) == 0


def test_shares_that_do_not_come_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_SECONDS", 0.0)
    with pytest.raises(DeploymentError, match=r"^proxy: expected the shares \{'2': 100\}; found \{\}\. See its log\.$"):
        Proxy(tmp_path, tmp_path).await_shares([NEW])
    host = Host(100, True, 0)
    monkeypatch.setattr(Proxy, "_hosts", lambda self: {"http": {21: host}, "grpc": {22: host}})
    Proxy(tmp_path, tmp_path).await_shares([NEW])


def test_it_is_configured_anew_as_often_as_asked(tmp_path: Path) -> None:
    one = Proxy(tmp_path, tmp_path)
    for port in (1, 2):
        one.configure("127.0.0.1", port, [NEW])
        assert f'"port_value": {port}' in (tmp_path / "proxy" / "envoy.json").read_text(encoding="utf-8")
    assert {path.name for path in (tmp_path / "proxy").iterdir()} == {"envoy.json", "http.json", "grpc.json"}
