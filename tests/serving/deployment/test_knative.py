"""Knative mode against an API server with KServe's controller: one InferenceService, shares by percent."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import MaxRetryError

from serving.deployment import kubernetes_objects
from serving.deployment.errors import DeploymentError
from serving.deployment.knative import Knative
from serving.settings.limits import Limits
from tests.serving.deployment.clusters import (
    KIND,
    MODEL,
    NAME,
    NAMESPACE,
    SERVICE,
    Cluster,
    changes,
    digest_of,
    running_cluster,
    variable,
)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def deployed(cluster: Cluster) -> list[dict[str, Any]]:
    """The bodies that name containers."""
    bodies = [body for _, _, body in cluster.server.written() if body]
    return [body for body in bodies if "containers" in body["spec"]["predictor"]]


def test_a_service_is_created_and_a_new_version_answers_before_it_gets_everything(cluster: Cluster) -> None:
    target = cluster.knative()
    assert (target.state(), target.version(), target.down()) == ("down", None, False)
    address = target.up("1")
    assert address.url.endswith("/v1/models/tiny_world-ranker:predict")
    assert address.grpc == ""
    target.up("2")
    assert changes(cluster.server) == [
        ("POST", KIND, "1", 100),
        ("PATCH", SERVICE, "2", 5),
        ("PATCH", SERVICE, None, 100),
    ]
    assert (target.version(), target.traffic(), target.state()) == ("2", {"2": 100}, "up")
    assert cluster.kserve.versions(NAME) == {"2": 100}
    bodies = deployed(cluster)
    assert [variable(body, "HELIOGRAPH_DIGEST") for body in bodies] == [digest_of("1"), digest_of("2")]


def test_a_canary_takes_its_share_and_then_everything(cluster: Cluster) -> None:
    target = cluster.knative()
    target.up("1")
    target.canary("2", 10)
    assert (target.traffic(), target.version(), target.candidate()) == ({"1": 90, "2": 10}, "1", "2")
    assert cluster.kserve.versions(NAME) == {"1": 90, "2": 10}
    with pytest.raises(DeploymentError, match="expected no other canary; found version 2 with 10 %"):
        target.canary("3", 20)
    with pytest.raises(DeploymentError, match="expected a canary of version 3; found 2"):
        target.promote("3")
    target.canary("2", 30)
    target.promote("2")
    target.promote("2")  # done already
    assert cluster.kserve.versions(NAME) == {"2": 100}
    assert changes(cluster.server)[1:] == [
        ("PATCH", SERVICE, "2", 10),
        ("PATCH", SERVICE, None, 30),
        ("PATCH", SERVICE, None, 100),
    ]
    with pytest.raises(DeploymentError, match="expected a canary; found version 2 with all traffic"):
        target.candidate()
    with pytest.raises(DeploymentError, match="version 2: expected another than the one that is served"):
        target.canary("2", 10)


def test_a_canary_is_rolled_back_and_another_begins(cluster: Cluster) -> None:
    target = cluster.knative()
    target.up("1")
    target.canary("2", 25)
    assert target.rollback("1") == "2"
    assert (target.version(), target.traffic(), cluster.kserve.versions(NAME)) == ("1", {"1": 100}, {"1": 100})
    with pytest.raises(DeploymentError, match="expected a canary; found version 1 with all traffic"):
        target.promote("2")
    with pytest.raises(DeploymentError, match="version 1: expected another"):
        target.canary("1", 10)
    target.canary("2", 5)  # its pods have ended: it is deployed anew
    target.rollback("1")
    target.canary("3", 5)
    assert (target.version(), target.candidate()) == ("1", "3")


def test_after_a_promotion_the_version_before_comes_back_with_its_digest(cluster: Cluster) -> None:
    target = cluster.knative(limits=Limits(concurrent=3), image="registry/image:7")
    target.up("1")
    target.canary("2", 20)
    target.promote("2")
    with pytest.raises(DeploymentError, match="expected a canary or a previous version; found neither"):
        target.rollback("2")
    assert cluster.knative().rollback("2", "1") == "2"
    assert (target.version(), cluster.kserve.versions(NAME)) == ("1", {"1": 100})
    service = cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert service is not None
    assert variable(service, "HELIOGRAPH_DIGEST") == digest_of("1")
    assert variable(service, "HELIOGRAPH_LIMITS") == '{"concurrent": 3}'
    assert service["spec"]["predictor"]["containers"][0]["image"] == "registry/image:7"


@pytest.mark.parametrize("why", ["broken", "faulty"])
@pytest.mark.parametrize("change", ["up", "canary", "rollback"])
def test_a_version_that_does_not_come_up_changes_nothing_that_serves(cluster: Cluster, change: str, why: str) -> None:
    target = cluster.knative()
    target.up("1")
    getattr(cluster.kserve, why).add("2")
    attempt = {
        "up": lambda: target.up("2"),
        "canary": lambda: target.canary("2", 30),
        "rollback": lambda: target.rollback("1", "2"),
    }
    found = "RevisionFailed .*container exited with 1" if why == "broken" else "version 2: expected it to answer"
    with pytest.raises(DeploymentError, match=f"{found}.*Look at: kubectl -n heliograph describe inferenceservice"):
        attempt[change]()
    assert cluster.kserve.versions(NAME) == {"1": 100}
    assert (target.version(), target.traffic()) == ("1", {"1": 100})
    target.up("3")
    assert cluster.kserve.versions(NAME) == {"3": 100}


def test_a_promotion_that_fails_leaves_the_canary_its_share(cluster: Cluster) -> None:
    target = cluster.knative()
    target.up("1")
    target.canary("2", 30)
    cluster.kserve.faulty.add("2")
    with pytest.raises(DeploymentError, match="expected it to answer"):
        target.promote("2")
    assert target.traffic() == {"1": 70, "2": 30}


def test_the_first_version_is_left_for_a_look_where_it_does_not_come_up(cluster: Cluster) -> None:
    cluster.kserve.broken.add("1")
    with pytest.raises(DeploymentError, match="expected it to become ready"):
        cluster.knative().up("1")
    assert cluster.knative().state() == "unhealthy"
    assert cluster.knative().down()


def test_limits_and_the_log_s_address_are_held_until_others_are_given(cluster: Cluster) -> None:
    cluster.knative(limits=Limits(concurrent=3), served="s3://bucket/served").up("1")
    cluster.knative().canary("2", 10)
    cluster.knative(limits=Limits()).up("1")
    bodies = deployed(cluster)
    assert [variable(body, "HELIOGRAPH_LIMITS") for body in bodies] == ['{"concurrent": 3}'] * 2 + ["{}"]
    assert [variable(body, "HELIOGRAPH_SERVED") for body in bodies] == ["s3://bucket/served"] * 3
    assert [body["spec"]["predictor"]["scaleTarget"] for body in bodies] == [3, 3, 8]


def test_down_removes_everything(cluster: Cluster) -> None:
    target = cluster.knative()
    target.up("1")
    assert target.down()
    assert (target.state(), target.down(), cluster.server.list("inferenceservices")) == ("down", False, [])


def test_a_service_that_is_not_ours_is_left_alone(cluster: Cluster) -> None:
    cluster.knative().up("1")
    service = cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert service is not None
    cluster.server.admit = lambda plural, document: None
    cluster.server.on_change = lambda plural, document, deleted: None
    service["spec"]["predictor"]["containers"][0]["env"] = []
    cluster.server.write(("inferenceservices", NAMESPACE, NAME), service)
    before = len(cluster.server.written())
    with pytest.raises(DeploymentError, match=f"{NAME}: expected an InferenceService of ours"):
        cluster.knative().canary("2", 10)
    assert len(cluster.server.written()) == before


def test_a_service_of_another_product_is_left_alone(cluster: Cluster) -> None:
    """Version 1 of one product in Standard mode has the name that another product has in Knative mode."""
    cluster.standard().up("1")
    before, other = len(cluster.server.written()), cluster.knative(model=f"{MODEL}_1")
    for change in (other.down, lambda: other.up("1"), lambda: other.canary("2", 10)):
        with pytest.raises(DeploymentError, match=f"{NAME}-1: expected a service of {NAME}-1; found one of {NAME}"):
            change()
    assert len(cluster.server.written()) == before


@pytest.mark.parametrize(
    "change", [lambda target: target.promote("2"), Knative.rollback, lambda target: target.canary("2", 10)]
)
def test_without_a_service_there_is_nothing_to_change(cluster: Cluster, change: Callable[[Knative], object]) -> None:
    with pytest.raises(DeploymentError, match="expected an InferenceService; found none"):
        change(cluster.knative())
    assert cluster.server.written() == []


@pytest.mark.parametrize("percent", [-1, 0, 100, 101])
def test_a_share_is_a_part(cluster: Cluster, percent: int) -> None:
    with pytest.raises(DeploymentError, match="expected 1 to 99"):
        cluster.knative().canary("2", percent)
    assert cluster.server.requests == []


@pytest.mark.parametrize("status", [403, 500])
def test_a_refusal_says_why_in_one_line(cluster: Cluster, status: int) -> None:
    cluster.server.refuse = status
    with pytest.raises(DeploymentError, match=f"found {status} ") as error:
        cluster.knative().up("1")
    assert "\n" not in str(error.value)
    assert "a secret" not in str(error.value)


def test_a_document_that_the_cluster_refuses_is_explained(cluster: Cluster) -> None:
    cluster.knative().up("1")
    found = cluster.services().read(NAME)
    assert found is not None
    with pytest.raises(DeploymentError, match=r"found 422 .*expected integer"):
        cluster.services().patch(found, {"spec": {"predictor": {"minReplicas": "two"}}})


def test_a_cluster_that_does_not_respond_is_reported_in_short(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MaxRetryError(None, "/", "no\n route " * 99)  # type: ignore[arg-type]

    monkeypatch.setattr(kubernetes_objects, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(cluster.client.api_instance, "get_namespaced_custom_object", refuse)
    with pytest.raises(DeploymentError, match=r"^cluster: expected a response; found MaxRetryError: ") as error:
        cluster.knative().traffic()
    assert len(str(error.value)) < 300


def test_a_token_is_sent_where_callers_need_one(cluster: Cluster) -> None:
    cluster.kserve.token = "a token of 16 characters"
    without = cluster.knative()
    without._trial = replace(without._trial, token=None)
    with pytest.raises(DeploymentError, match="status 401"):
        without.up("1")
    cluster.knative().up("1")
