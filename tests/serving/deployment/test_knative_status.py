"""Knative mode, where KServe's status and object say less than they seem to: shares, generations, deletion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.version import SERVE_IMAGE
from serving.deployment import kubernetes_objects
from serving.deployment.errors import DeploymentError
from tests.serving.deployment.clusters import KIND, NAME, NAMESPACE, Cluster, changes, running_cluster, variable


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


@pytest.mark.parametrize("faulty", [False, True])
def test_the_same_version_again_never_asks_for_less_than_everything(cluster: Cluster, faulty: bool) -> None:
    """KServe would give the rest to the version before."""
    target = cluster.knative()
    target.up("1")
    target.up("2")
    before = len(changes(cluster.server))
    if faulty:
        cluster.kserve.faulty.add("2")
        with pytest.raises(DeploymentError, match="expected it to answer"):
            cluster.knative(image="registry/image:8").up("2")
    else:
        target.up("2")
    assert {percent for *_, percent in changes(cluster.server)[before:]} == {100}
    service = cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert service is not None
    assert service["spec"]["predictor"]["containers"][0]["image"] == SERVE_IMAGE
    assert (variable(service, "HELIOGRAPH_BESIDE"), target.version()) == ("1", "2")


@pytest.mark.parametrize("reads", [3, 10_000])
def test_a_service_that_is_being_deleted_is_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    for name, value in (("_POLL_SECONDS", 0.01), ("_DELETE_SECONDS", 0.3 if reads > 3 else 60.0)):
        monkeypatch.setattr(kubernetes_objects, name, value)
    target = cluster.knative()
    target.up("1")
    old = cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert old is not None
    assert target.down()
    ending, read = iter(range(reads)), cluster.client.api_instance.get_namespaced_custom_object

    def get(*given: Any, **named: Any) -> Any:
        held = {**old["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kserve"]}
        return read(*given, **named) if next(ending, None) is None else {**old, "metadata": held}

    monkeypatch.setattr(cluster.client.api_instance, "get_namespaced_custom_object", get)
    if reads > 3:
        with pytest.raises(DeploymentError, match=r"expected it to be gone 0\.3 s after its deletion.*kserve"):
            target.up("2")
    else:
        target.up("2")
        assert changes(cluster.server)[-1] == ("POST", KIND, "2", 100)


@pytest.mark.parametrize("drift", [-9, 9])
def test_a_generation_that_is_of_another_object_does_not_decide(cluster: Cluster, drift: int) -> None:
    """KServe's ``observedGeneration`` is that of the Knative service: it stays behind for good, or is ahead."""
    cluster.kserve.drift = drift
    target = cluster.knative()
    target.up("1")
    target.canary("2", 10)
    assert target.state() == "up"
    cluster.kserve.asleep = True
    with pytest.raises(DeploymentError, match=r"10 % of the traffic at the revision .* instead of 30 %"):
        target.canary("2", 30)
    with pytest.raises(DeploymentError, match=r"10 % of the traffic at the revision .* instead of 0 %"):
        target.rollback("1")


def test_new_settings_of_the_same_version_are_a_new_revision(cluster: Cluster) -> None:
    cluster.knative().up("1")
    cluster.kserve.asleep = True
    with pytest.raises(DeploymentError, match="no new revision beside"):
        cluster.knative(image="registry/image:8").up("1")


def test_a_status_from_before_the_change_is_not_taken_for_the_new_revision(cluster: Cluster) -> None:
    target = cluster.knative()
    target.up("1")
    status = cluster.server.get("inferenceservices", NAMESPACE, NAME)["status"]  # type: ignore[index]
    cluster.kserve._status = lambda *_: {**status, "observedGeneration": 99}  # type: ignore[method-assign]
    with pytest.raises(DeploymentError, match="no new revision beside"):
        target.up("2")
