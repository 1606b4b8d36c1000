"""Two processes change one endpoint: the later one is told, and nothing of the earlier one's is undone."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.deployment.errors import ChangedError
from serving.deployment.knative import Knative
from serving.deployment.rollout import Rollout
from serving.deployment.standard import Standard
from tests.serving.deployment.clusters import DOCUMENT, MODEL, NAME, Cluster, running_cluster
from tests.serving.stubbed import FakeRegistry

MODES = ["knative", "standard"]
Target = Knative | Standard


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def target(cluster: Cluster, mode: str, meanwhile: Callable[[], object] | None = None) -> Target:
    """A target; ``meanwhile`` happens while it waits for a version's answer, once."""
    found: Target = getattr(cluster, mode)()
    waiting = [] if meanwhile is None else [meanwhile]

    def document(version: str) -> dict[str, Any]:
        while waiting:
            waiting.pop()()
        return DOCUMENT

    found._trial = replace(found._trial, document=document)
    return found


def rollout(chosen: Target, **champions: str) -> Rollout:
    FakeRegistry.reset(**champions)
    return Rollout(chosen, FakeRegistry("nowhere"), MODEL)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_a_rollback_beside_a_deploy_step_that_waits_stays(cluster: Cluster, mode: str) -> None:
    """The step sees it, changes nothing any more, and its version does not become the champion."""
    operator = target(cluster, mode)
    operator.up("1")
    operator.canary("2", 20)
    step = target(cluster, mode, lambda: operator.rollback("1"))
    with pytest.raises(ChangedError, match="another process changed the endpoint meanwhile"):
        rollout(step, **{MODEL: "1"}).deploy("2" if mode == "knative" else "3")
    assert cluster.kserve.versions(NAME) == {"1": 100}
    assert FakeRegistry.champions == {MODEL: "1"}


@pytest.mark.parametrize("mode", MODES)
def test_a_version_that_has_no_traffic_yet_is_rolled_back_too(cluster: Cluster, mode: str) -> None:
    """In Standard mode it has only its alias and its pods."""
    operator = target(cluster, mode)
    operator.up("1")
    back: list[str] = []
    step = target(cluster, mode, lambda: back.append(Rollout(operator, FakeRegistry("nowhere"), MODEL).rollback()))  # type: ignore[arg-type]
    with pytest.raises(ChangedError):
        rollout(step, **{MODEL: "1"}).deploy("2")
    assert (back, cluster.kserve.versions(NAME)) == (["2"], {"1": 100})
    assert (FakeRegistry.champions, FakeRegistry.canaries) == ({MODEL: "1"}, {})


@pytest.mark.parametrize("mode", MODES)
def test_a_share_that_was_raised_meanwhile_is_not_lowered(cluster: Cluster, mode: str) -> None:
    operator = target(cluster, mode)
    operator.up("1")
    step = rollout(target(cluster, mode, lambda: target(cluster, mode).canary("2", 40)), **{MODEL: "1"})
    with pytest.raises(ChangedError):
        step.canary("2", 10)
    assert cluster.kserve.versions(NAME) == {"1": 60, "2": 40}
    assert FakeRegistry.canaries == {MODEL: "2"}  # it serves by the other's will: its vectors are kept


@pytest.mark.parametrize("mode", MODES)
def test_down_beside_a_deploy_step_ends_the_step_at_once(cluster: Cluster, mode: str) -> None:
    operator = target(cluster, mode)
    operator.up("1")
    step = target(cluster, mode, operator.down)
    step._deployment = replace(step._deployment, ready_seconds=600.0)
    with pytest.raises(ChangedError):
        step.up("2")
    assert operator.state() == "down"


def test_the_alias_follows_the_traffic_that_another_process_has_moved(cluster: Cluster) -> None:
    operator, step = target(cluster, "knative"), rollout(target(cluster, "knative"), **{MODEL: "1"})
    operator.up("1")
    up = step.up
    step.up = lambda version: (up(version), operator.rollback(None, "1"))[0]  # type: ignore[method-assign]
    with pytest.raises(ChangedError):
        step.deploy("2")
    assert (cluster.kserve.versions(NAME), FakeRegistry.champions) == ({"1": 100}, {MODEL: "1"})
