"""A change that fails, where what served before cannot be put back either: both are said, the alias stays."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.deployment.errors import LeftError
from serving.deployment.knative import Knative
from serving.deployment.rollout import Rollout
from serving.deployment.standard import Standard
from tests.serving.deployment.clusters import DOCUMENT, MODEL, NAME, Cluster, running_cluster
from tests.serving.stubbed import FakeRegistry

BOTH = "And what served before could not be put back: cluster: expected it to patch .*found 403"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def cut_off(cluster: Cluster, target: Knative | Standard) -> Rollout:
    """A rollout whose target may not write any more as soon as it has asked a version for an answer."""

    def document(version: str) -> dict[str, Any]:
        cluster.server.refuse = 403
        return DOCUMENT

    target._trial = replace(target._trial, document=document)
    return rollout(target)


def rollout(target: Knative | Standard) -> Rollout:
    FakeRegistry.reset(**{MODEL: "1"})
    return Rollout(target, FakeRegistry("nowhere"), MODEL)  # type: ignore[arg-type]


def test_a_share_that_could_not_be_taken_back_keeps_its_alias(cluster: Cluster) -> None:
    cluster.knative().up("1")
    cluster.kserve.faulty.add("2")
    with pytest.raises(LeftError, match=f"version 2: expected it to answer.*Look at: kubectl.*{BOTH}"):
        cut_off(cluster, cluster.knative()).up("2")
    assert cluster.kserve.versions(NAME) == {"1": 95, "2": 5}
    assert FakeRegistry.canaries == {MODEL: "2"}


def test_settings_that_could_not_be_put_back_are_said(cluster: Cluster) -> None:
    cluster.standard().up("1")
    cluster.kserve.faulty.add("1")
    with pytest.raises(LeftError, match=f"version 1: expected it to answer.*Look at: kubectl.*{BOTH}"):
        cut_off(cluster, cluster.standard(image="registry/image:8")).up("1")


def test_a_route_that_could_not_be_put_back_keeps_the_alias(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.deployment.standard._ROUTE_SECONDS", 0.2)
    target, changed = cluster.standard(), cluster.server.on_change
    target.up("1")

    def refuse(plural: str, document: dict[str, Any], deleted: bool) -> None:
        changed(plural, document, deleted)
        cluster.server.refuse = 403 if plural == "httproutes" else None

    cluster.kserve.gateway_ready, cluster.server.on_change = False, refuse
    with pytest.raises(LeftError, match=f"no such gateway.*{BOTH}"):
        rollout(target).up("2")
    assert (target.traffic(), FakeRegistry.canaries) == ({"2": 100}, {MODEL: "2"})
