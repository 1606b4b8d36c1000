"""The contract of the v1 protocol, the same for all three servers: KServe, BentoML and TorchServe."""

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.impression_ids import impression_ids, slate_of
from serving.packages.contents import STATE, settings
from serving.server.loading import load
from serving.settings.limits import Limits
from tests.serving.packages.conftest import Made
from tests.serving.running import wait_until
from tests.serving.world import World

pytestmark = pytest.mark.long(25)

JSON = "application/json"
MOMENT = "2026-01-20T09:00:00Z"


def document(**changes: Any) -> dict[str, Any]:
    instance = {"member": 1, "items": [1, 6], "context": {"surface": "push", "time": MOMENT}, **changes}
    return {"instances": [{key: value for key, value in instance.items() if value is not None}]}


@pytest.fixture(params=["kserve", "bentoml", "torchserve"])
def server(request: pytest.FixtureRequest) -> str:
    """Name of the server."""
    return str(request.param)


@pytest.fixture
def runtime(server: str, runtimes: dict[str, httpx.Client]) -> httpx.Client:
    return runtimes[server]


@pytest.fixture(scope="module")
def expected(world: World, bento: Made) -> dict[str, Any]:
    """The runtime's prediction for ``slate`` with reasons, without a server."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(STATE, str(world.state))
        runtime = load(settings(bento.folder / "src"))
    try:
        return asyncio.run(runtime.predict(slate(world, explain=True)))["predictions"][0]
    finally:
        runtime.close()


def slate(world: World, **changes: Any) -> dict[str, Any]:
    return document(member=world.keys("member")[1], items=[*world.keys("item"), 777], **changes)


def post(runtime: httpx.Client, world: World, body: Any, content_type: str = JSON, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {**headers, **({"content-type": content_type} if content_type else {})}
    return runtime.post(f"/v1/models/{world.name}:predict", content=content, headers=given)


def test_the_same_scores(runtime: httpx.Client, world: World, expected: dict[str, Any]) -> None:
    response = post(runtime, world, slate(world))
    assert (response.status_code, response.headers["content-type"]) == (200, JSON)
    (found,) = response.json()["predictions"]
    assert (found["member"], found["model_version"], found["member_cold"]) == (world.keys("member")[1], "1", False)
    assert [ranked["item"] for ranked in found["slate"]] == [ranked["item"] for ranked in expected["slate"]]
    assert {ranked["item"] for ranked in found["slate"] if ranked["cold"]} == {777}
    for ranked, ours in zip(found["slate"], expected["slate"], strict=True):
        assert ranked["probabilities"] == pytest.approx(ours["probabilities"], abs=1e-6)
        assert ranked["score"] == pytest.approx(ours["score"], abs=1e-6)
        assert ranked["adjustments"] == ours["adjustments"]
        assert ranked["propensity"] == 1.0
    ids = [ranked["impression"] for ranked in found["slate"]]
    assert ids == impression_ids(slate_of(ids[0]), len(ids)) != [ranked["impression"] for ranked in expected["slate"]]
    assert uuid.UUID(slate_of(ids[0]).removesuffix("/0")).version == 4
    assert len({ranked["probabilities"]["click"] for ranked in found["slate"]}) == len(found["slate"])


def test_the_same_reasons(runtime: httpx.Client, world: World, expected: dict[str, Any]) -> None:
    (found,) = post(runtime, world, slate(world, explain=True)).json()["predictions"]
    for ranked, ours in zip(found["slate"], expected["slate"], strict=True):
        close = [{**reason, "effect": pytest.approx(reason["effect"], abs=1e-6)} for reason in ours["reasons"]]
        assert ranked["reasons"] == close
    kinds = {reason["kind"] for ranked in found["slate"] for reason in ranked["reasons"]}
    assert kinds > {"activity", "member", "item"}


def test_a_charset_and_several_instances(runtime: httpx.Client, world: World) -> None:
    several = {"instances": document()["instances"] * 2}
    response = post(runtime, world, several, "application/json; charset=utf-8")
    first, second = response.json()["predictions"]
    assert [ranked["item"] for ranked in first["slate"]] == [ranked["item"] for ranked in second["slate"]]
    # Slates scored in one pass differ by rounding: their scores are equal to 1e-6 (serving.ranking.batching).
    for one, other in zip(first["slate"], second["slate"], strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_an_unknown_member_is_cold(runtime: httpx.Client, world: World) -> None:
    response = post(runtime, world, document(member=99_999))
    (found,) = response.json()["predictions"]
    assert (response.status_code, found["member_cold"], found["fallback"]) == (200, True, False)


def test_keys_of_64_bits_come_back_as_they_came(runtime: httpx.Client, world: World) -> None:
    member, items = 2**63 - 1, [2**53 + 1, 2**53, -(2**63)]
    (found,) = post(runtime, world, document(member=member, items=items)).json()["predictions"]
    assert (found["member"], sorted(ranked["item"] for ranked in found["slate"])) == (member, sorted(items))
    (found,) = post(runtime, world, document(member=str(member), items=[*map(str, items)])).json()["predictions"]
    ranked = [ranked["item"] for ranked in found["slate"]]
    assert (found["member"], sorted(ranked)) == (str(member), sorted(map(str, items)))
    refused = post(runtime, world, document(member=4.6e18))
    assert (refused.status_code, "member: expected a whole number" in refused.text) == (400, True)


def test_the_request_id_comes_back(server: str, runtime: httpx.Client, world: World) -> None:
    response = post(runtime, world, document(), **{"x-request-id": "from-the-caller-17"})
    assert response.json()["predictions"][0]["request_id"] == "from-the-caller-17"
    # TorchServe puts its own id into the header; ours is only in the document.
    assert (response.headers["x-request-id"] == "from-the-caller-17") == (server != "torchserve")


MOST = Limits().items
REFUSED: dict[str, tuple[Any, str, str]] = {
    "no member": (document(member=None), JSON, "instances.0.member: expected this field; found nothing"),
    "unknown surface": (
        document(context={"surface": "fax"}),
        JSON,
        "instances.0.context.surface: expected 'email' or 'push'; found 'fax'",
    ),
    "too many candidates": (
        document(items=list(range(MOST + 1))),
        JSON,
        f"instances.0.items: expected at most {MOST} items; found a list of {MOST + 1}",
    ),
    "no candidates": (document(items=[]), JSON, "instances.0.items: expected at least 1 item; found a list of 0"),
    "not JSON": (
        b'{"instances":',
        JSON,
        "body: expected JSON in UTF-8; found unexpected end of data: line 1 column 14 (char 13)",
    ),
    "nothing": (
        b"",
        JSON,
        "body: expected JSON in UTF-8; found Input is a zero-length, empty document: line 1 column 1 (char 0)",
    ),
    "no object": ([1], JSON, "body: expected an object; found list"),
    "another content type": (document(), "text/plain", f"content-type: expected {JSON}; found 'text/plain'"),
    "no content type": (document(), "", f"content-type: expected {JSON}; found none"),
    "a form": (
        b"instances=1",
        "application/x-www-form-urlencoded",
        f"content-type: expected {JSON}; found 'application/x-www-form-urlencoded'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_are_the_same(runtime: httpx.Client, world: World, name: str) -> None:
    body, content_type, reason = REFUSED[name]
    response = post(runtime, world, body, content_type)
    assert (response.status_code, response.json()) == (400, {"error": reason})


@pytest.mark.parametrize("given", ["", "Bearer of-another-server"])
def test_without_the_token_requests_are_refused(server: str, runtime: httpx.Client, world: World, given: str) -> None:
    response = post(runtime, world, slate(world), authorization=given)
    # TorchServe checks its own token, with its own error, before the model.
    assert response.status_code == (400 if server == "torchserve" else 401)
    assert "predictions" not in response.json()


@pytest.mark.parametrize("content_type", ["application/vnd.bentoml+pickle", "application/octet-stream", JSON])
def test_nothing_is_unpickled(runtime: httpx.Client, world: World, tmp_path: Path, content_type: str) -> None:
    mark = tmp_path / "was here"
    response = post(runtime, world, f"cos\nsystem\n(S'touch \"{mark}\"'\ntR.".encode(), content_type)
    assert response.status_code == 400
    assert not mark.exists()


def test_a_large_body_is_refused(runtime: httpx.Client, world: World) -> None:
    response = post(runtime, world, b'{"instances": "' + b"x" * Limits().body_bytes + b'"}')
    assert response.status_code == 413
    assert post(runtime, world, document()).status_code == 200


def wide(instances: int) -> dict[str, Any]:
    """A document of slates of the maximum size."""
    return {"instances": document(items=list(range(MOST)))["instances"] * instances}


def test_a_missed_deadline_is_503(runtime: httpx.Client, world: World) -> None:
    late = post(runtime, world, wide(Limits().instances), **{"x-request-timeout-ms": "1"})
    reason = "expected store and model to respond within 0.001 s; they did not"
    assert (late.status_code, late.json()) == (503, {"error": reason})
    assert post(runtime, world, document(), **{"x-request-timeout-ms": "20000"}).status_code == 200


def test_too_many_requests_get_429(server: str, runtime: httpx.Client, world: World) -> None:
    def crowd() -> list[httpx.Response]:
        with ThreadPoolExecutor(100) as callers:
            return list(callers.map(lambda _: post(runtime, world, wide(2)), range(100)))

    refused = wait_until(lambda: [response for response in crowd() if response.status_code != 200])
    # TorchServe has its own queue, as long as ours, and its own error.
    expected = (503, None, {"code", "type", "message"}) if server == "torchserve" else (429, "1", {"error"})
    for response in refused:
        assert (response.status_code, response.headers.get("retry-after"), set(response.json())) == expected
    assert post(runtime, world, document()).status_code == 200
