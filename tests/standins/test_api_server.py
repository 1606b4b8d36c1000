"""The stand-in refuses what a cluster refuses: otherwise the tests on it would prove little."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.manifests.schemas import INFERENCE_SERVICES
from serving.deployment.cluster_settings import Deployment
from serving.deployment.inference_service import inference_service
from tests.standins.api_requests import merged
from tests.standins.api_server import ApiServer, api_server
from tests.standins.manifests import access

KIND = "/apis/serving.kserve.io/v1beta1/namespaces/heliograph/inferenceservices"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(tmp_path) as server:
        yield server


def call(server: ApiServer, method: str, path: str, body: Any = None, token: str = "", kind: str = "") -> Any:
    """The response's document; the status where it is a refusal."""
    headers = {"authorization": f"Bearer {token or server.admin}", "content-type": kind or "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, headers, method=method)
    trusted = ssl.create_default_context(cafile=str(server.ca_file))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted))
    try:
        with opener.open(request, timeout=20) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return error.code


def service() -> dict[str, Any]:
    return inference_service(Deployment("tiny", "1", digest="a" * 64))


def patch(server: ApiServer, body: Any, name: str = "tiny") -> Any:
    return call(server, "PATCH", f"{KIND}/{name}", body, kind="application/merge-patch+json")


def test_an_object_is_created_changed_and_deleted_with_generations(server: ApiServer) -> None:
    assert call(server, "GET", f"{KIND}/tiny") == 404
    created = call(server, "POST", KIND, service())
    assert created["metadata"]["generation"] == 1
    assert call(server, "POST", KIND, service()) == 409
    assert patch(server, {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    changed = patch(server, {"spec": {"predictor": {"minReplicas": 2, "maxReplicas": None}}})
    assert changed["metadata"]["generation"] == 2
    assert "maxReplicas" not in changed["spec"]["predictor"]
    assert call(server, "PATCH", f"{KIND}/tiny", {}) == 415  # not a merge patch
    assert call(server, "PUT", f"{KIND}/tiny", created) == 409  # changed since
    assert [one["metadata"]["name"] for one in call(server, "GET", f"{KIND}?labelSelector=a=b")["items"]] == ["tiny"]
    assert call(server, "GET", f"{KIND}?labelSelector=a=c")["items"] == []
    call(server, "DELETE", f"{KIND}/tiny")
    assert call(server, "DELETE", f"{KIND}/tiny") == 404


def test_a_status_is_a_resource_of_its_own(server: ApiServer) -> None:
    call(server, "POST", KIND, {**service(), "status": {"url": "http://mine"}})
    assert "status" not in call(server, "GET", f"{KIND}/tiny")
    server.set_status("inferenceservices", "heliograph", "tiny", {"url": "http://its"})
    changed = patch(server, {"status": {"url": "http://mine"}, "spec": {"predictor": {"minReplicas": 2}}})
    assert changed["status"] == {"url": "http://its"}
    assert patch(server, {"status": {"url": "http://new"}}, "tiny/status")["status"] == {"url": "http://new"}


@pytest.mark.skipif(not INFERENCE_SERVICES.is_file(), reason=f"{INFERENCE_SERVICES}: set HELIOGRAPH_CRDS")
def test_a_misspelt_field_is_refused(server: ApiServer) -> None:
    document = service()
    document["spec"]["predictor"]["minReplica"] = 1
    assert call(server, "POST", KIND, document) == 422
    call(server, "POST", KIND, service())
    assert patch(server, {"spec": {"predictor": {"minReplicas": "two"}}}) == 422
    assert patch(server, {"spec": {"predictor": {"scaleMetric": "luck"}}}) == 422


def test_a_token_may_do_what_its_role_says(server: ApiServer) -> None:
    server.load(access("base"))
    tokens = {
        name: server.token_for("heliograph", f"heliograph-{name}") for name in ("deploy", "train", "act", "monitor")
    }
    assert call(server, "GET", KIND, token="another") == 401
    for name in ("train", "monitor"):
        assert call(server, "GET", KIND, token=tokens[name]) == 403
        assert call(server, "POST", KIND, service(), tokens[name]) == 403
    assert call(server, "POST", KIND, service(), tokens["act"])["metadata"]["generation"] == 1
    change = {"spec": {"predictor": {"canaryTrafficPercent": 0}}}
    kind = "application/merge-patch+json"
    assert call(server, "PATCH", f"{KIND}/tiny", change, tokens["act"], kind)["metadata"]["generation"] == 2
    assert call(server, "DELETE", f"{KIND}/tiny", None, tokens["act"]) == 403
    elsewhere = KIND.replace("heliograph", "elsewhere")
    assert call(server, "GET", elsewhere, token=tokens["deploy"]) == 403
    secret = "/api/v1/namespaces/heliograph/secrets"
    assert call(server, "GET", f"{secret}/heliograph", token=tokens["deploy"]) == 403
    assert call(server, "GET", f"{secret}/mlpipeline-minio-artifact", token=tokens["deploy"]) == 404  # it may


def test_a_client_that_does_not_know_the_certificate_does_not_connect(server: ApiServer) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.url, timeout=20)


def test_a_merge_patch_removes_by_null_and_replaces_lists() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1, 2]}, {"a": {"b": None}, "d": [3]}) == {"a": {"c": 2}, "d": [3]}
    assert merged(None, {"a": {"b": None, "c": 1}}) == {"a": {"c": 1}}
