"""The Roles in deploy/ are enough for what their runs do to a service, and for no more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kserve import KServeClient

from serving.deployment.errors import DeploymentError
from serving.deployment.knative import Knative
from serving.deployment.standard import Standard
from tests.serving.deployment.clusters import NAME, NAMESPACE, Cluster, running_cluster
from tests.standins.manifests import access

MODES = ["Knative", "Standard"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def target(cluster: Cluster, mode: str, account: str = "") -> Knative | Standard:
    """What a run with this ServiceAccount ("": an admin) deploys to, where the Roles of the mode are applied."""
    cluster.server.load(access("base" if mode == "Knative" else "overlays/standard"))
    if account:
        token = cluster.server.token_for(NAMESPACE, f"heliograph-{account}")
        client = KServeClient(config_dict=cluster.server.kubeconfig(token), persist_config=False)
        cluster = replace(cluster, client=client)
    return cluster.knative() if mode == "Knative" else cluster.standard()


@pytest.mark.parametrize("mode", MODES)
def test_training_deploys_and_ends_a_service(cluster: Cluster, mode: str) -> None:
    own = target(cluster, mode, "deploy")
    own.up("1")
    own.canary("2", 10)
    assert own.rollback() == "2"
    own.canary("3", 10)
    own.promote("3")
    assert own.rollback("3", "1") == "3"
    assert cluster.kserve.versions(NAME) == {"1": 100}
    assert (own.state(), own.down(), own.state()) == ("up", True, "down")


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_acts_moves_the_traffic(cluster: Cluster, mode: str) -> None:
    admin, own = target(cluster, mode), target(cluster, mode, "act")
    admin.up("1")
    admin.canary("2", 10)
    own.promote("2")
    assert own.rollback("2", "1") == "2"
    admin.canary("2", 10)
    assert own.rollback() == "2"
    assert own.traffic() == {"1": 100}


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_acts_begins_a_canary_of_a_retrained_version(cluster: Cluster, mode: str) -> None:
    own = target(cluster, mode, "act")
    own.up("1")
    own.canary("2", 10)
    assert own.traffic() == {"1": 90, "2": 10}


def test_a_run_that_acts_does_not_end_a_service(cluster: Cluster) -> None:
    target(cluster, "Knative").up("1")
    with pytest.raises(DeploymentError, match=r"expected it to delete .*403.* Roles: deploy/kustomize"):
        target(cluster, "Knative", "act").down()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("account", ["train", "monitor"])
def test_others_do_not_even_look(cluster: Cluster, mode: str, account: str) -> None:
    with pytest.raises(DeploymentError, match=r"expected it to get .*403"):
        target(cluster, mode, account).state()
