"""Objects on an API server that fails for a moment, or that others write to meanwhile."""

import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from serving.deployment import kubernetes_objects
from serving.deployment.cluster_settings import Deployment
from serving.deployment.errors import ChangedError, DeploymentError
from serving.deployment.inference_service import inference_service, share
from serving.deployment.kubernetes_objects import CallError, Objects, UnreadyError
from serving.deployment.readiness import unready
from tests.serving.deployment.clusters import MODEL, NAME, NAMESPACE, Cluster, digest_of, running_cluster
from tests.standins.api_requests import merged

LOST = [0, 0, 0, 0]
"""The client itself sends a request again three times where the connection is closed."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(kubernetes_objects, "_POLL_SECONDS", 0.01)
    with running_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def services(cluster: Cluster) -> Objects:
    return cluster.services()


@pytest.fixture
def stored(services: Objects) -> dict[str, Any]:
    return services.create(inference_service(Deployment(MODEL, "1", digest=digest_of("1"))))


@pytest.mark.parametrize("failures", [[500], [503, 429], [409], LOST, [504, *LOST, 500]])
def test_a_wait_survives_an_api_server_that_does_not_answer_for_a_moment(
    cluster: Cluster, services: Objects, stored: dict[str, Any], failures: list[int]
) -> None:
    cluster.server.failures = iter(failures)
    assert services.wait(stored, 20.0, unready)["metadata"]["name"] == NAME
    assert next(cluster.server.failures, None) is None


@pytest.mark.parametrize(("failure", "found"), [(503, "found 503 "), (0, "found MaxRetryError|found ProtocolError")])
def test_the_last_failure_is_named_at_the_deadline(
    cluster: Cluster, services: Objects, stored: dict[str, Any], failure: int, found: str
) -> None:
    cluster.server.failures = repeat(failure)
    with pytest.raises(UnreadyError, match=rf"within 0\.2 s; found cluster: expected .*({found})"):
        services.wait(stored, 0.2, unready)


@pytest.mark.parametrize("failure", [400, 401, 403])
def test_a_refusal_ends_a_wait_at_once(
    cluster: Cluster, services: Objects, stored: dict[str, Any], failure: int
) -> None:
    cluster.server.failures = iter([failure])
    with pytest.raises(DeploymentError, match=f"found {failure} ") as error:
        services.wait(stored, 60.0, unready)
    assert not isinstance(error.value, UnreadyError)


def test_a_read_and_a_change_survive_such_a_moment_too(
    cluster: Cluster, services: Objects, stored: dict[str, Any]
) -> None:
    cluster.server.failures = iter([503, None, 503, None, None, 429, None, 502])
    found = services.find(NAME)
    assert found == cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert services.patch(stored, share(20))["spec"]["predictor"]["canaryTrafficPercent"] == 20
    assert [one["metadata"]["name"] for one in services.list("heliograph-model=" + NAME)] == [NAME]
    assert services.delete(NAME)
    assert next(cluster.server.failures, None) is None


def test_a_change_is_made_again_where_a_controller_has_written_the_status(
    cluster: Cluster, services: Objects, stored: dict[str, Any]
) -> None:
    cluster.server.set_status("inferenceservices", NAMESPACE, NAME, {"url": "http://elsewhere"})
    before = len(cluster.server.written())
    changed = services.patch(stored, share(20))
    assert (changed["metadata"]["generation"], len(cluster.server.written())) == (2, before + 2)


def test_a_change_of_what_another_process_has_changed_is_refused(
    cluster: Cluster, services: Objects, stored: dict[str, Any]
) -> None:
    services.patch(stored, share(20))
    for change in (lambda: services.patch(stored, share(30)), lambda: services.wait(stored, 60.0, unready)):
        with pytest.raises(ChangedError, match=f"^{NAME}: .* another process changed .*: python -m serving status"):
            change()
    with pytest.raises(ChangedError):
        services.create(inference_service(Deployment(MODEL, "1", digest=digest_of("1"))))
    services.delete(NAME)
    for change in (lambda: services.patch(stored, share(30)), lambda: services.wait(stored, 60.0, unready)):
        with pytest.raises(ChangedError):
            change()


def percent_of(service: dict[str, Any]) -> int:
    percent: int = service["spec"]["predictor"]["canaryTrafficPercent"]
    return percent


@pytest.mark.parametrize("failure", [0, 502, 504])
def test_a_change_whose_answer_is_lost_was_made(
    cluster: Cluster, services: Objects, stored: dict[str, Any], failure: int
) -> None:
    """Whatever the cluster adds to it: a webhook fills in defaults, and leaves empty text out."""

    def complete(_: str, document: dict[str, Any]) -> None:
        predictor = document["spec"]["predictor"]
        predictor["containers"][0]["imagePullPolicy"] = "IfNotPresent"
        for entry in predictor["containers"][0]["env"]:
            if not entry["value"]:
                del entry["value"]

    cluster.server.admit, cluster.server.answers_lost = complete, True
    cluster.server.failures = iter([failure])
    before = len(cluster.server.written())
    changed = services.patch(stored, inference_service(Deployment(MODEL, "2", digest=digest_of("2")), 20))
    assert changed == cluster.server.get("inferenceservices", NAMESPACE, NAME)
    assert (percent_of(changed), len(cluster.server.written())) == (20, before + 1)


def test_a_change_that_is_answered_too_late_was_made(
    cluster: Cluster, services: Objects, stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_objects, "_CALL_SECONDS", 0.5)
    read = threading.Event()

    def hold(*_: object) -> None:
        read.wait(20)

    cluster.server.on_change = hold
    try:
        assert percent_of(services.patch(stored, share(20))) == 20
    finally:
        read.set()


@pytest.mark.parametrize(("percent", "made"), [(20, True), (30, False)])
def test_a_change_that_is_stored_after_it_was_asked_for_again_was_made(
    cluster: Cluster, services: Objects, stored: dict[str, Any], percent: int, made: bool
) -> None:
    def failures() -> Iterator[int | None]:
        yield from (504, None)
        cluster.server.write(("inferenceservices", NAMESPACE, NAME), merged(stored, share(percent)))

    cluster.server.failures = failures()
    if made:
        assert percent_of(services.patch(stored, share(20))) == 20
    else:
        with pytest.raises(ChangedError):
            services.patch(stored, share(20))


def test_another_change_in_place_of_one_that_failed_is_not_taken_for_it(
    cluster: Cluster, services: Objects, stored: dict[str, Any]
) -> None:
    def failures() -> Iterator[int | None]:
        yield 503
        cluster.server.write(("inferenceservices", NAMESPACE, NAME), merged(stored, share(20)))

    cluster.server.failures = failures()
    with pytest.raises(CallError, match="found 503"):
        services.patch(stored, {"spec": {"predictor": {"canaryTrafficPercent": 20, "minReplicas": None}}})
