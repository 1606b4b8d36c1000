"""The deploy component with a small feature store and an endpoint that starts or fails to, here or on a cluster."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import kserve
import pytest
from kfp import dsl

from components.deploy import deploy
from components.services import Services
from feature_repo.materialise import materialize
from feature_repo.notes import notes_of
from feature_repo.push import PushError, push, pushed_until, slot_of
from feature_repo.quality import last_seen
from feature_repo.store import write_resolved
from monitoring.action import Action
from monitoring.ledger import Ledger
from serving.deployment.errors import DeploymentError, VerdictError
from serving.errors import EndpointError
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World, open_world
from tests.feature_repo.restored import Restored
from tests.mlflow_database import add_database
from tests.serving.deployment.clusters import DOCUMENT, NAMESPACE, Cluster, running_cluster, variable
from tests.serving.stubbed import FakeRegistry
from tests.standins.manifests import access


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Restored]:
    folder = tmp_path_factory.mktemp("made") / "world"
    world = open_world(folder)
    add_database(world.state)
    return world, Restored(folder)


@pytest.fixture
def own(made: tuple[World, Restored], monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("serving.versions.registry.Registry", AnyRegistry)
    monkeypatch.setattr("serving.deployment.example.example_instance", lambda *_: DOCUMENT["instances"][0])
    monkeypatch.setattr("serving.deployment.example.example_request", lambda *_: "curl")
    monkeypatch.setattr("serving.deployment.embedded.Embedded", FakeEmbedded)
    FakeRegistry.reset()
    FakeEmbedded.calls, FakeEmbedded.refused, FakeEmbedded.main = [], False, None
    world, restored = made
    restored.restore()
    return world._replace(store=tiny.store_of(world.spec, world.state))


class AnyRegistry(FakeRegistry):
    """A registry at any address."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri


class Running:
    url, grpc = "http://127.0.0.1:1", "127.0.0.1:2"


class FakeEmbedded:
    """An endpoint that starts, or does not; it records its calls with the champions at that time."""

    calls: list[tuple[object, ...]]
    refused: bool
    main: str | None

    def __init__(self, state: Path, registry: object, name: str, store_config: Path) -> None:
        assert store_config.is_file()
        self.calls.append(("store", store_config))

    def up(self, version: str) -> type[Running]:
        if self.refused:
            raise EndpointError("the server did not load")
        self.calls.append(("up", version, dict(FakeRegistry.champions)))
        FakeEmbedded.main = version
        return Running

    def canary(self, version: str, percent: int) -> None:
        self.calls.append(("canary", version, percent))

    def version(self) -> str | None:
        return self.main

    def address(self) -> type[Running]:
        return Running


def name_of(world: World) -> str:
    return f"heliograph-{world.spec.name.replace('_', '-')}"


def deployed(world: World, version: str, canary_percent: int = 0, **services: Any) -> str:
    """Run the component; return its Markdown page."""
    folder = world.state.parent
    # On a cluster the configuration holds the store's addresses; on this machine the state folder decides.
    config = write_resolved(tiny.CONFIG, world.state, world.store.project) if services else tiny.CONFIG
    deploy.python_func(
        spec=artifact(world.spec, folder),
        services={**Services.embedded("run-1", world.state, config).to_json(), **services},
        training_set=dsl.Dataset(name="set", uri=str(folder / "set")),
        version=version,
        endpoint=dsl.Markdown(name="page", uri=str(folder / "page.md")),
        canary_percent=canary_percent,
    )
    return (folder / "page.md").read_text(encoding="utf-8")


def test_a_server_that_does_not_come_up_leaves_the_champions_vectors(own: World, tmp_path: Path) -> None:
    FakeEmbedded.refused = True
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    push(own.store, own.spec, tmp_path / "vectors", "2", "e2", served=["1"])
    with pytest.raises(EndpointError, match="did not load"):
        deployed(own, "2")
    assert slot_of(own.store, "1") == "blue"
    with pytest.raises(PushError, match="Push the version's vectors first"):
        deployed(own, "3")
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({}, {})


def test_a_version_that_was_judged_against_an_earlier_champion_does_not_replace_todays(
    own: World, tmp_path: Path
) -> None:
    """Two trainings at once: the second to deploy was never compared with the first."""
    FakeRegistry.reset(**{name_of(own): "2"})
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "against-1", "e1")
    with pytest.raises(VerdictError, match="expected a verdict against the champion, version 2; found one against"):
        deployed(own, "against-1")
    assert FakeRegistry.champions == {name_of(own): "2"}
    push(own.store, own.spec, tmp_path / "vectors", "against-2", "e2")
    deployed(own, "against-2")
    assert (notes_of(own.store).read("lease") or {})["owner"] == ""  # it has ended what the push began


def test_a_server_that_comes_up_reads_this_store(own: World, tmp_path: Path) -> None:
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    deployed(own, "2")
    assert FakeEmbedded.calls == [("store", own.state.resolve() / "feast" / "feature_store.yaml"), ("up", "2", {})]
    assert FakeRegistry.champions == {name_of(own): "2"}


def test_an_action_ends_with_its_deployment(own: World, tmp_path: Path) -> None:
    """A person may take the version back before the run ends: then the next run must not deploy it again."""
    notes = notes_of(own.store)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    notes.write("action", asdict(Action("2026-01-07", "retrain", "run-1", 1)))
    for pipeline, ended in (("training", False), ("act", True)):
        deployed(own, "2", pipeline=pipeline)
        assert bool((notes.read("action") or {})["done"]) == ended


def test_the_example_sees_all_that_is_online(own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def example(*arguments: Any) -> str:
        times.append(arguments[3])
        return "curl"

    monkeypatch.setattr("serving.deployment.example.example_request", example)
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    deployed(own, "2")
    materialize(own.store, own.spec)
    deployed(own, "2")
    assert times == [pushed_until(own.store, "2") + 1, last_seen(own.store) + 1]
    assert times[0] < times[1]  # these counters know more than the vectors


@pytest.mark.parametrize(("champion", "percent", "begun"), [("1", 10, 10), ("1", 0, 0), (None, 10, 0), ("2", 10, 0)])
def test_a_canary_needs_a_champion_to_be_beside(
    own: World, tmp_path: Path, champion: str | None, percent: int, begun: int
) -> None:
    FakeRegistry.reset(**({} if champion is None else {name_of(own): champion}))
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "2", "e2")
    page = deployed(own, "2", percent)
    noted = Ledger(f"sqlite:///{own.state}/mlflow/mlflow.db", "run-1", own.spec.name).read(tmp_path / "read").notes
    assert noted["endpoint"]["percent"] == (begun or 100)
    calls = [call[:3] for call in FakeEmbedded.calls[1:]]
    if begun:
        assert [call[:2] for call in calls] == [("up", "1"), ("canary", "2")]  # the champion is started first
        assert calls[1] == ("canary", "2", begun)
        assert FakeRegistry.champions == {name_of(own): "1"}
        assert FakeRegistry.canaries == {name_of(own): "2"}
        assert f"version 2 has {begun} % of the traffic at {Running.url}" in page
        assert f"python -m serving status --state {own.state}, then promote or rollback" in page
        assert noted["endpoint"]["options"] == f"--state {own.state}"
    else:
        assert [call[:2] for call in calls] == [("up", "2")]
        assert FakeRegistry.champions == {name_of(own): "2"}
        assert f"version 2 serves at {Running.url}" in page


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster on which this process is a pod with the ServiceAccount of deployments."""
    with running_cluster(tmp_path / "certificate") as cluster:
        cluster.server.load(access("overlays/standard"))
        token = cluster.server.token_for(NAMESPACE, "heliograph-deploy")
        client = kserve.KServeClient(config_dict=cluster.server.kubeconfig(token), persist_config=False)
        monkeypatch.setattr(kserve, "KServeClient", lambda: client)
        yield cluster


WHERE: dict[str, Any] = {"target": "cluster", "tracking_uri": "http://mlflow:5000", "storage": "s3://bucket/heliograph"}


@pytest.fixture
def ledger(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger of http://mlflow:5000 is in the world's own database."""
    address = Services.embedded("run-1", own.state, tiny.CONFIG).tracking_uri
    monkeypatch.setattr("monitoring.ledger.Ledger", lambda _, *rest: Ledger(address, *rest))


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_on_a_cluster_the_step_applies_the_service_and_starts_nothing_in_its_own_pod(
    own: World, tmp_path: Path, cluster: Cluster, mode: str
) -> None:
    endpoint = {"mode": mode, "hostname": "rank.example.com", "ready_seconds": 5, "image": "registry/image:7"}
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    push(own.store, own.spec, tmp_path / "vectors", "2", "e2", served=["1"])
    page = deployed(own, "1", **WHERE, endpoint=endpoint)
    assert "version 1 serves at http://" in page
    assert FakeRegistry.champions == {name_of(own): "1"}
    deployed(own, "2", 20, **WHERE, endpoint=endpoint)
    assert FakeEmbedded.calls == []
    assert cluster.kserve.versions(name_of(own)) == {"1": 80, "2": 20}
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({name_of(own): "1"}, {name_of(own): "2"})
    service = cluster.server.list("inferenceservices")[-1]
    assert variable(service, "HELIOGRAPH_VERSION") == "2"
    assert variable(service, "HELIOGRAPH_DIGEST") == FakeRegistry("nowhere").digest("", "2")
    assert service["spec"]["predictor"]["containers"][0]["image"] == "registry/image:7"


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("why", ["broken", "faulty"])
def test_the_champion_moves_only_after_the_service_is_ready_and_has_answered(
    own: World, tmp_path: Path, cluster: Cluster, why: str
) -> None:
    push(own.store, own.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    getattr(cluster.kserve, why).add("1")
    with pytest.raises(DeploymentError, match="Look at: kubectl"):
        deployed(own, "1", **WHERE, endpoint={"ready_seconds": 0.5})
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({}, {})
