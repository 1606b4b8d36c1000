"""The deploy component with a small feature store and a fake endpoint that starts or fails to."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.deploy import deploy
from components.services import Services
from feature_repo.materialise import materialize
from feature_repo.push import PushError, push, pushed_until, slot_of
from feature_repo.quality import last_seen
from monitoring.ledger import Ledger
from serving.errors import EndpointError
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world
from tests.mlflow_database import add_database


class FakeRegistry:
    """Records which versions became the champion."""

    promoted: list[tuple[str, str]]
    serves: str | None

    def __init__(self, tracking_uri: str) -> None:
        assert tracking_uri.startswith("sqlite:///")

    def champion(self, name: str) -> str | None:
        return self.serves

    def promote(self, name: str, version: str) -> None:
        self.promoted.append((name, version))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    monkeypatch.setattr("serving.deployment.example.example_request", lambda *_: "curl")
    FakeRegistry.promoted, FakeRegistry.serves = [], None
    world = open_world(tmp_path)
    add_database(world.state)
    return world


def deployed(world: World, version: str, canary_percent: int = 0) -> str:
    """Run the component; return its Markdown page."""
    folder = world.state.parent
    deploy.python_func(
        spec=artifact(world.spec, folder),
        services=Services.embedded("run-1", world.state, tiny.CONFIG).to_json(),
        training_set=dsl.Dataset(name="set", uri=str(folder / "set")),
        version=version,
        endpoint=dsl.Markdown(name="page", uri=str(folder / "page.md")),
        canary_percent=canary_percent,
    )
    return (folder / "page.md").read_text(encoding="utf-8")


class Running:
    url, grpc = "http://127.0.0.1:1", "127.0.0.1:2"


def test_a_server_that_does_not_come_up_leaves_the_champions_vectors(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EndpointError("the server did not load")

    monkeypatch.setattr("serving.deployment.endpoint.up", broken)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    push(own.store, own.spec, tmp_path / "vectors", "2", "e2", served=["1"])
    with pytest.raises(EndpointError, match="did not load"):
        deployed(own, "2")
    assert slot_of(own.store, "1") == "blue"
    with pytest.raises(PushError, match="Push the version's vectors first"):
        deployed(own, "3")
    assert FakeRegistry.promoted == []


def test_a_server_that_comes_up_reads_this_store(own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def up(*_: object, **named: object) -> type[Running]:
        assert FakeRegistry.promoted == []
        given.update(named)
        return Running

    monkeypatch.setattr("serving.deployment.endpoint.up", up)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    deployed(own, "2")
    assert given["store_config"] == own.state.resolve() / "feast" / "feature_store.yaml"
    assert given["store_config"].is_file()
    assert FakeRegistry.promoted == [(f"heliograph-{own.spec.name.replace('_', '-')}", "2")]


def test_the_example_sees_all_that_is_online(own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def example(*arguments: Any) -> str:
        times.append(arguments[3])
        return "curl"

    monkeypatch.setattr("serving.deployment.endpoint.up", lambda *_, **__: Running)
    monkeypatch.setattr("serving.deployment.example.example_request", example)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    deployed(own, "2")
    materialize(own.store, own.spec)
    deployed(own, "2")
    assert times == [pushed_until(own.store, "2") + 1, last_seen(own.store) + 1]
    assert times[0] < times[1]  # these counters know more than the vectors


@pytest.mark.parametrize(("champion", "percent", "begun"), [("1", 10, 10), ("1", 0, 0), (None, 10, 0), ("2", 10, 0)])
def test_a_canary_needs_a_champion_to_be_beside(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, champion: str | None, percent: int, begun: int
) -> None:
    given: list[object] = []

    def canary(*arguments: object, **_: object) -> type[Running]:
        given.extend(arguments)
        return Running

    monkeypatch.setattr("serving.deployment.endpoint.canary", canary)
    monkeypatch.setattr("serving.deployment.endpoint.up", lambda *_, **__: Running)
    monkeypatch.setattr(FakeRegistry, "serves", champion)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    page = deployed(own, "2", percent)
    noted = Ledger(f"sqlite:///{own.state}/mlflow/mlflow.db", "run-1", own.spec.name).read(tmp_path / "read").notes
    assert noted["endpoint"]["percent"] == (begun or 100)
    if begun:
        assert given[3:] == ["2", begun]
        assert FakeRegistry.promoted == []
        assert f"version 2 has {begun} % of the traffic at {Running.url}" in page
        assert "python -m serving status, then promote or rollback" in page
    else:
        assert given == []
        assert [version for _, version in FakeRegistry.promoted] == ["2"]
        assert f"version 2 serves at {Running.url}" in page
