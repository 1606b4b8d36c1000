"""KServe's client against an API server that records what it receives."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from kserve import KServeClient

from serving.deployment.cluster import Cluster
from serving.deployment.errors import DeploymentError
from serving.deployment.inference_service import Deployment
from serving.settings.limits import Limits
from tests.serving.deployment.cluster_server import KIND, RecordingCluster, recording_cluster

ONE = Deployment("tiny_world-ranker", "1")
SERVICE = f"{KIND}/tiny-world-ranker"


@pytest.fixture
def server() -> Iterator[RecordingCluster]:
    with recording_cluster() as server:
        yield server


@pytest.fixture
def cluster(server: RecordingCluster) -> Cluster:
    client = KServeClient(config_dict=server.kubeconfig(), persist_config=False)
    return Cluster(client, ONE, ready_seconds=0.5)


def variable(body: dict, name: str) -> str:
    (container,) = body["spec"]["predictor"]["containers"]
    return next(entry["value"] for entry in container["env"] if entry["name"] == name)


def version(body: dict) -> str:
    return variable(body, "HELIOGRAPH_VERSION")


def limits(body: dict) -> str:
    return variable(body, "HELIOGRAPH_LIMITS")


def sent(server: RecordingCluster) -> list[tuple[str, str, str | None, int]]:
    """(method, path, version, percent) of every change; version None where only the share changes."""
    return [
        (
            method,
            path,
            version(body) if "containers" in body["spec"]["predictor"] else None,
            body["spec"]["predictor"]["canaryTrafficPercent"],
        )
        for method, path, body in server.written()
    ]


def test_a_service_is_created_once_and_changed_after_that(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    cluster.apply()
    assert sent(server) == [("POST", KIND, "1", 100), ("PATCH", SERVICE, "1", 100)]


def test_every_version_is_deployed_with_its_digest(server: RecordingCluster) -> None:
    client = KServeClient(config_dict=server.kubeconfig(), persist_config=False)
    cluster = Cluster(client, ONE, ready_seconds=0.5, digest_of=lambda version: f"digest of {version}")
    cluster.apply()
    cluster.canary("2", 10)
    assert [variable(body, "HELIOGRAPH_DIGEST") for _, _, body in server.written()] == ["digest of 1", "digest of 2"]


def test_a_canary_takes_its_share_and_then_everything(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    cluster.canary("2", 10)
    assert cluster.traffic() == {"revision-2": 10, "revision-1": 90}
    with pytest.raises(DeploymentError, match="expected no other canary; found version 2 with 10 %"):
        cluster.canary("3", 20)
    with pytest.raises(DeploymentError, match="expected a canary of version 3; found 2"):
        cluster.promote("3")
    cluster.promote("2")
    cluster.promote("2")  # done already
    assert cluster.traffic() == {"revision-3": 100}
    assert sent(server)[1:] == [("PATCH", SERVICE, "2", 10), ("PATCH", SERVICE, None, 100)]
    assert server.service is not None
    assert version(server.service) == "2"


def test_the_limits_are_held_until_others_are_given(server: RecordingCluster) -> None:
    client = KServeClient(config_dict=server.kubeconfig(), persist_config=False)
    Cluster(client, replace(ONE, limits=Limits(concurrent=3)), ready_seconds=0.5).apply()
    again = Cluster(client, ONE, ready_seconds=0.5)
    again.canary("2", 10)
    Cluster(client, replace(ONE, limits=Limits()), ready_seconds=0.5).apply()
    assert [limits(body) for _, _, body in server.written()] == ['{"concurrent": 3}'] * 2 + ["{}"]
    assert [body["spec"]["predictor"]["scaleTarget"] for _, _, body in server.written()] == [3, 3, 8]


def test_another_share_is_no_other_container(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    cluster.canary("2", 10)
    cluster.canary("2", 30)
    assert sent(server)[1:] == [("PATCH", SERVICE, "2", 10), ("PATCH", SERVICE, None, 30)]


def test_what_has_everything_is_no_canary(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    with pytest.raises(DeploymentError, match="version 1: expected another than the one that is served"):
        cluster.canary("1", 10)
    assert len(server.written()) == 1


def test_a_service_that_is_not_ours_is_left_alone(cluster: Cluster, server: RecordingCluster) -> None:
    server.service = {"metadata": {"name": "one"}, "spec": {"predictor": {"model": {}}}}
    with pytest.raises(DeploymentError, match="one: expected an InferenceService of ours"):
        cluster.canary("2", 10)
    assert server.written() == []


def test_a_canary_is_rolled_back(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    cluster.canary("2", 25)
    assert cluster.rollback() == "2"
    assert sent(server)[-1] == ("PATCH", SERVICE, None, 0)
    with pytest.raises(DeploymentError, match="expected a canary; found a version with 0 %"):
        cluster.promote("2")  # a rolled-back version cannot be promoted


@pytest.mark.parametrize(
    "change", [lambda cluster: cluster.promote("2"), Cluster.rollback, lambda cluster: cluster.canary("2", 10)]
)
def test_without_a_service_there_is_nothing_to_change(
    cluster: Cluster, server: RecordingCluster, change: Callable[[Cluster], object]
) -> None:
    with pytest.raises(DeploymentError, match="expected an InferenceService; found none"):
        change(cluster)
    assert server.written() == []


@pytest.mark.parametrize("percent", [-1, 0, 100, 101])
def test_a_share_is_a_part(cluster: Cluster, server: RecordingCluster, percent: int) -> None:
    with pytest.raises(DeploymentError, match="expected 1 to 99"):
        cluster.canary("2", percent)
    assert server.requests == []


@pytest.mark.parametrize("status", [403, 409, 500])
def test_a_refusal_says_why_in_one_line(cluster: Cluster, server: RecordingCluster, status: int) -> None:
    server.refuse = status
    with pytest.raises(DeploymentError, match=f"found {status} ") as error:
        cluster.apply()
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_version_that_does_not_become_ready_is_reported(cluster: Cluster, server: RecordingCluster) -> None:
    server.never_ready = True
    with pytest.raises(DeploymentError, match="expected the service to become ready"):
        cluster.apply()


def test_shares_from_1_to_99_are_canaries_and_hold_the_place(cluster: Cluster, server: RecordingCluster) -> None:
    cluster.apply()
    with pytest.raises(DeploymentError, match="expected a canary; found a version with 100 %"):
        cluster.candidate()
    for percent in (1, 99):
        cluster.canary("2", percent)
        assert (cluster.candidate(), cluster.traffic()["revision-" + str(len(server.written()))]) == ("2", percent)
        with pytest.raises(DeploymentError, match=f"found version 2 with {percent} %"):
            cluster.canary("3", 5)
    cluster.rollback()
    cluster.canary("2", 5)  # its pods have ended: it is deployed anew
    cluster.rollback()
    cluster.canary("3", 5)
    assert [row[2:] for row in sent(server)[-4:]] == [(None, 0), ("2", 5), (None, 0), ("3", 5)]


def test_a_service_without_a_share_has_all_traffic_and_a_sidecar_is_allowed(
    cluster: Cluster, server: RecordingCluster
) -> None:
    cluster.apply()
    assert server.service is not None
    predictor = server.service["spec"]["predictor"]
    del predictor["canaryTrafficPercent"]
    predictor["containers"].append({"name": "sidecar"})
    server.service["status"]["components"]["predictor"]["traffic"].append({"revisionName": "revision-0"})
    cluster.promote("1")
    with pytest.raises(DeploymentError, match="version 1: expected another than the one that is served"):
        cluster.canary("1", 10)
    assert len(server.written()) == 1
    assert cluster.traffic() == {"revision-1": 100, "revision-0": 0}


class FakeClient:
    """A client with no service that records its waits; every ``get`` fails as KServe's does, with that status."""

    def __init__(self, status: int = 404, ready: str = "") -> None:
        self.status, self.ready = status, ready
        self.waits: list[dict[str, Any]] = []

    def get(self, name: str, namespace: str) -> dict[str, Any]:
        try:
            cause = OSError(name)
            cause.status, cause.reason = self.status, "Because"  # type: ignore[attr-defined]
            raise cause
        except OSError:
            raise RuntimeError("a long response")  # noqa: B904

    def create(self, service: object, namespace: str) -> dict[str, Any]:
        return {}

    def wait_isvc_ready(self, name: str, **options: Any) -> None:
        self.waits.append({"name": name, **options})
        if self.ready:
            raise RuntimeError(self.ready)


def test_ten_minutes_are_waited_for_the_first_generation() -> None:
    waits = []
    for seconds in ({}, {"ready_seconds": 1.5}, {"ready_seconds": 0}):
        client = FakeClient()
        Cluster(client, ONE, **seconds).apply()
        waits += client.waits
    assert waits == [
        {
            "name": "tiny-world-ranker",
            "namespace": "heliograph",
            "timeout_seconds": seconds,
            "polling_interval": interval,
            "expected_generation": 1,
        }
        for seconds, interval in ((600.0, 2.0), (1.5, 1.5))
    ]


def test_a_cluster_that_does_not_respond_is_reported_in_short() -> None:
    with pytest.raises(DeploymentError, match=r"^cluster: expected it to take the change; found 403 Because$"):
        Cluster(FakeClient(403), ONE).traffic()
    with pytest.raises(DeploymentError) as error:
        Cluster(FakeClient(ready="a \n b " * 100), ONE).apply()
    assert str(error.value) == "cluster: expected the service to become ready; found " + ("a b " * 100)[:300]
