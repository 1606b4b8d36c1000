"""The deploy component around a store of its own and an endpoint that comes up, or does not."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.deploy import deploy
from components.services import Services
from feature_repo.errors import PushError
from feature_repo.push import push, slot_of
from serving.errors import EndpointError
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world


class FakeRegistry:
    """Remembers what became the champion."""

    promoted: list[tuple[str, str]]

    def __init__(self, tracking_uri: str) -> None:
        assert tracking_uri.startswith("sqlite:///")

    def promote(self, name: str, version: str) -> None:
        self.promoted.append((name, version))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("serving.registry.Registry", FakeRegistry)
    monkeypatch.setattr("serving.example.example_request", lambda *_: "curl")
    FakeRegistry.promoted = []
    return open_world(tmp_path)


def deployed(world: World, version: str) -> None:
    folder = world.state.parent
    deploy.python_func(
        spec=world.spec.model_dump_json(by_alias=True),
        services=Services.embedded("run-1", world.state, tiny.CONFIG).to_json(),
        training_set=dsl.Dataset(name="set", uri=str(folder / "set")),
        version=version,
        endpoint=dsl.Markdown(name="page", uri=str(folder / "page.md")),
    )


class Running:
    url, grpc = "http://127.0.0.1:1", "127.0.0.1:2"


def test_a_server_that_does_not_come_up_leaves_the_champions_vectors(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EndpointError("the server did not load")

    monkeypatch.setattr("serving.endpoint.up", broken)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "1", own.state)
    push(own.store, own.spec, tmp_path / "vectors", "2", own.state, served=["1"])
    with pytest.raises(EndpointError, match="did not load"):
        deployed(own, "2")
    assert slot_of(own.state, "1") == "blue"
    with pytest.raises(PushError, match="Push the version's vectors first"):
        deployed(own, "3")
    assert FakeRegistry.promoted == []


def test_a_server_that_comes_up_reads_this_store(own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def up(*_: object, **named: object) -> type[Running]:
        assert FakeRegistry.promoted == []
        given.update(named)
        return Running

    monkeypatch.setattr("serving.endpoint.up", up)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", own.state)
    deployed(own, "2")
    assert given["store_config"] == own.state.resolve() / "feast" / "feature_store.yaml"
    assert given["store_config"].is_file()
    assert FakeRegistry.promoted == [(f"heliograph-{own.spec.name.replace('_', '-')}", "2")]
