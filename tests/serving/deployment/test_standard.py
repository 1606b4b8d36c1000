"""Standard mode against an API server with KServe's controller: a service per version, shares by weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.version import SERVE_IMAGE
from serving.deployment.errors import DeploymentError
from serving.deployment.standard import Standard
from serving.settings.limits import Limits
from tests.serving.deployment.clusters import NAME, NAMESPACE, Cluster, digest_of, running_cluster, variable


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def services(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.server.list("inferenceservices")]


def service(cluster: Cluster, version: str) -> dict[str, Any]:
    found = cluster.server.get("inferenceservices", NAMESPACE, f"{NAME}-{version}")
    assert found is not None
    return found


def writes(cluster: Cluster) -> list[str]:
    """Every change in order: method and object."""
    written = [(method, path.rsplit("/", 1)[-1], body) for method, path, body in cluster.server.written()]
    return [f"{method} {body['metadata']['name'] if method == 'POST' else name}" for method, name, body in written]


def test_a_version_is_up_before_the_route_knows_it_and_the_one_before_ends_after(cluster: Cluster) -> None:
    target = cluster.standard()
    assert (target.state(), target.version(), target.down()) == ("down", None, False)
    address = target.up("1")
    assert address.url == "http://rank.example.com/v1/models/tiny_world-ranker:predict"
    assert address.grpc == "rank.example.com:80"
    target.up("2")
    assert writes(cluster) == [
        f"POST {NAME}-1",
        f"POST {NAME}",
        f"POST {NAME}-2",
        f"PATCH {NAME}",
        f"DELETE {NAME}-1",
    ]
    assert (target.version(), target.traffic(), target.state()) == ("2", {"2": 100}, "up")
    assert (cluster.kserve.versions(NAME), services(cluster)) == ({"2": 100}, [f"{NAME}-2"])


def test_http_and_grpc_are_split_alike(cluster: Cluster) -> None:
    target = cluster.standard(gateway="edge/public")
    target.up("1")
    target.canary("2", 20)
    route = cluster.server.get("httproutes", NAMESPACE, NAME)
    assert route is not None
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "edge"}]
    assert route["spec"]["hostnames"] == ["rank.example.com"]
    grpc, http = route["spec"]["rules"]
    assert grpc["matches"] == [{"path": {"type": "PathPrefix", "value": "/inference.GRPCInferenceService/"}}]
    for rule, port in ((grpc, 8081), (http, 80)):
        assert rule["backendRefs"] == [
            {"name": f"{NAME}-{version}-predictor", "port": port, "weight": weight}
            for version, weight in (("1", 80), ("2", 20))
        ]
    ports = service(cluster, "1")["spec"]["predictor"]["containers"][0]["ports"]
    assert [(port["name"], port["containerPort"]) for port in ports] == [("http1", 8080), ("grpc", 8081)]


def test_a_canary_takes_its_share_and_then_everything_and_the_version_before_comes_back(cluster: Cluster) -> None:
    target = cluster.standard(limits=Limits(concurrent=3), image="registry/image:7")
    target.up("1")
    target.canary("2", 10)
    assert (target.traffic(), target.version(), target.candidate()) == ({"1": 90, "2": 10}, "1", "2")
    with pytest.raises(DeploymentError, match="expected no other canary; found version 2"):
        target.canary("3", 20)
    with pytest.raises(DeploymentError, match="expected a canary of version 3; found 2"):
        target.promote("3")
    target.canary("2", 30)
    assert cluster.kserve.versions(NAME) == {"1": 70, "2": 30}
    target.promote("2")
    target.promote("2")  # done already
    assert (cluster.kserve.versions(NAME), services(cluster)) == ({"2": 100}, [f"{NAME}-2"])
    with pytest.raises(DeploymentError, match="expected a canary or a previous version; found neither"):
        target.rollback("2")
    assert cluster.standard().rollback("2", "1") == "2"
    assert (cluster.kserve.versions(NAME), services(cluster)) == ({"1": 100}, [f"{NAME}-1"])
    back = service(cluster, "1")
    assert variable(back, "HELIOGRAPH_DIGEST") == digest_of("1")
    assert variable(back, "HELIOGRAPH_LIMITS") == '{"concurrent": 3}'
    assert back["spec"]["predictor"]["containers"][0]["image"] == "registry/image:7"


def test_a_canary_is_rolled_back_and_its_pods_end(cluster: Cluster) -> None:
    target = cluster.standard(limits=Limits(items=7), served="s3://bucket/served")
    target.up("1")
    cluster.standard().canary("2", 25)
    assert variable(service(cluster, "2"), "HELIOGRAPH_LIMITS") == '{"items": 7}'  # as the version next to it
    assert variable(service(cluster, "2"), "HELIOGRAPH_SERVED") == "s3://bucket/served"
    assert target.rollback("1") == "2"
    assert (target.traffic(), services(cluster)) == ({"1": 100}, [f"{NAME}-1"])
    with pytest.raises(DeploymentError, match="expected a canary; found version 1 with all traffic"):
        target.promote("2")


@pytest.mark.parametrize("why", ["broken", "faulty"])
@pytest.mark.parametrize("change", ["up", "canary", "rollback"])
def test_a_version_that_does_not_come_up_is_never_in_the_route(cluster: Cluster, change: str, why: str) -> None:
    target = cluster.standard()
    target.up("1")
    getattr(cluster.kserve, why).add("2")
    before = cluster.server.get("httproutes", NAMESPACE, NAME)
    attempt: dict[str, Callable[[], object]] = {
        "up": lambda: target.up("2"),
        "canary": lambda: target.canary("2", 30),
        "rollback": lambda: target.rollback("1", "2"),
    }
    with pytest.raises(DeploymentError, match=f"Look at: kubectl -n heliograph describe inferenceservice {NAME}-2"):
        attempt[change]()
    assert cluster.server.get("httproutes", NAMESPACE, NAME) == before
    assert services(cluster) == [f"{NAME}-1", f"{NAME}-2"]  # its pods are left for a look
    target.up("3")
    assert services(cluster) == [f"{NAME}-3"]


def test_a_route_that_no_gateway_takes_is_put_back(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.deployment.standard._ROUTE_SECONDS", 0.2)
    target = cluster.standard()
    cluster.kserve.gateway_ready = False
    with pytest.raises(DeploymentError, match="not Accepted and ResolvedRefs by the Gateway: no such gateway"):
        target.up("1")
    assert target.state() == "down"
    cluster.kserve.gateway_ready = True
    target.up("1")
    cluster.kserve.gateway_ready = False
    with pytest.raises(DeploymentError, match="no such gateway"):
        target.canary("2", 30)
    assert target.traffic() == {"1": 100}
    assert target.state() == "unhealthy"


def test_down_removes_everything(cluster: Cluster) -> None:
    target = cluster.standard()
    target.up("1")
    target.canary("2", 10)
    assert target.down()
    assert (target.state(), target.down(), services(cluster)) == ("down", False, [])
    assert cluster.server.list("httproutes") == []


def test_a_change_of_the_mode_ends_the_other_modes_service(cluster: Cluster) -> None:
    cluster.knative().up("1")
    cluster.standard().up("1")
    assert services(cluster) == [f"{NAME}-1"]


@pytest.mark.parametrize(
    "change", [lambda target: target.promote("2"), Standard.rollback, lambda target: target.canary("2", 10)]
)
def test_without_a_route_there_is_nothing_to_change(cluster: Cluster, change: Callable[[Standard], object]) -> None:
    with pytest.raises(DeploymentError, match="expected an HTTPRoute; found none"):
        change(cluster.standard())
    assert cluster.server.written() == []


@pytest.mark.parametrize("percent", [-1, 0, 100, 101])
def test_a_share_is_a_part(cluster: Cluster, percent: int) -> None:
    with pytest.raises(DeploymentError, match="expected 1 to 99"):
        cluster.standard().canary("2", percent)
    assert cluster.server.requests == []


def test_without_a_host_name_nothing_is_sent(cluster: Cluster) -> None:
    with pytest.raises(DeploymentError, match="expected for Standard mode the host name"):
        cluster.standard(hostname="").up("1")
    assert cluster.server.written() == []


@pytest.mark.parametrize("state", ["asleep", "stuck"])
def test_new_settings_of_the_same_version_are_not_judged_by_the_pods_from_before(cluster: Cluster, state: str) -> None:
    """KServe's Ready is true throughout, and its generation is the Deployment's, which an autoscaler moves."""
    cluster.kserve.scaled = 2
    cluster.standard().up("1")
    cluster.kserve.scaled = 3
    cluster.server.write(("inferenceservices", NAMESPACE, f"{NAME}-1"), service(cluster, "1"))
    setattr(cluster.kserve, state, True)
    found = "the settings from before the change" if state == "asleep" else "0 of 4 new pods ready, and 4 from before"
    with pytest.raises(DeploymentError, match=f"{found}.*Look at: kubectl"):
        cluster.standard(image="registry/image:8").up("1")
    assert service(cluster, "1")["spec"]["predictor"]["containers"][0]["image"] == SERVE_IMAGE  # it serves
    setattr(cluster.kserve, state, False)
    cluster.standard(image="registry/image:9", cpu="3").up("1")
    (container,) = service(cluster, "1")["spec"]["predictor"]["containers"]
    assert container["image"] == "registry/image:9"


def test_a_setting_of_the_pods_alone_is_waited_for(cluster: Cluster) -> None:
    cluster.standard().up("1")
    cluster.kserve.asleep = True
    with pytest.raises(DeploymentError, match="the settings from before the change"):
        cluster.standard(memory="4Gi").up("1")


def listener(protocol: str, port: int, hostname: str = "") -> dict[str, Any]:
    return {"name": protocol, "protocol": protocol, "port": port, **({"hostname": hostname} if hostname else {})}


@pytest.mark.parametrize(
    ("listeners", "settings", "url", "grpc"),
    [
        ([listener("HTTP", 80), listener("HTTPS", 443)], {}, "https://rank.example.com", "rank.example.com:443"),
        ([listener("HTTP", 8080)], {}, "http://rank.example.com:8080", "rank.example.com:8080"),
        (
            [listener("HTTP", 80), listener("HTTPS", 443, "*.other.com"), listener("HTTPS", 8443, "*.example.com")],
            {},
            "https://rank.example.com:8443",
            "rank.example.com:8443",
        ),
        ([listener("HTTP", 80)], {"address": "https://rank.example.com"}, "https://rank.example.com", None),
        (None, {"address": "https://edge.example.com:9443"}, "https://edge.example.com:9443", None),
        (None, {}, "http://rank.example.com", "rank.example.com:80"),
    ],
)
def test_the_address_is_that_of_the_gateway(
    cluster: Cluster, listeners: list[dict[str, Any]] | None, settings: dict[str, str], url: str, grpc: str | None
) -> None:
    if listeners is not None:
        meta = {"name": "public", "namespace": "edge"}
        cluster.server.load([{"kind": "Gateway", "metadata": meta, "spec": {"listeners": listeners}}])
    address = cluster.standard(gateway="edge/public", **settings).up("1")
    assert address.base == url
    assert address.grpc == grpc or grpc is None
