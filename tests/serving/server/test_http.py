"""The v1 protocol over HTTP, and invalid bytes, content types, sizes, headers and paths."""

import json

import httpx
import pytest

from serving.settings.limits import Limits
from tests.serving.ranking.test_request import BAD
from tests.serving.requests import refused, v1, v2
from tests.serving.world import World

LIMITS = Limits()


def test_v1_ranks_a_slate(client: httpx.Client, world: World, predict: str) -> None:
    items = world.keys("item")
    response = client.post(predict, json=v1(world, items[0], 777, items[3], device="phone", place=2))
    assert response.status_code == 200
    (prediction,) = response.json()["predictions"]
    assert (prediction["member"], prediction["model_version"]) == (world.keys("member")[1], world.version)
    assert prediction["member_cold"] is False
    cold = {ranked["item"]: ranked["cold"] for ranked in prediction["slate"]}
    assert cold == {items[0]: False, 777: True, items[3]: False}
    clicks = [ranked["probabilities"]["click"] for ranked in prediction["slate"]]
    assert clicks == sorted(clicks, reverse=True)
    assert all(0 < p < 1 for ranked in prediction["slate"] for p in ranked["probabilities"].values())
    assert set(prediction["slate"][0]["probabilities"]) == {"click", "dwell"}


def test_every_part_of_a_request_changes_the_scores(client: httpx.Client, world: World, predict: str) -> None:
    items, member = world.keys("item"), world.keys("member")[2]
    moment = "2026-01-20T09:00:00Z"
    variants = [
        v1(world, items[0], time=moment),
        v1(world, items[1], time=moment),
        v1(world, items[0], time=moment, member=member),
        v1(world, items[0], time=moment, surface="email"),
        v1(world, items[0], time="2026-01-20T10:00:00Z"),
        v1(world, items[0], time=moment, device="phone"),
        v1(world, items[0], time=moment, place=7),
    ]
    responses = [client.post(predict, json=variant).json()["predictions"][0]["slate"][0] for variant in variants]
    assert len({response["probabilities"]["click"] for response in responses}) == len(variants)
    same = v1(world, items[0], time="2026-01-20T11:00:00+02:00")
    again = client.post(predict, json=same).json()["predictions"][0]["slate"][0]
    assert again == {**responses[0], "impression": again["impression"]}


def test_unknown_members_are_ranked_cold(client: httpx.Client, world: World, predict: str) -> None:
    response = client.post(predict, json=v1(world, world.keys("item")[0], member=-12345))
    (prediction,) = response.json()["predictions"]
    assert prediction["member_cold"] is True
    assert [ranked["cold"] for ranked in prediction["slate"]] == [False]


def test_the_largest_slate_and_several_instances(client: httpx.Client, world: World, predict: str) -> None:
    wide = v1(world, *range(LIMITS.items))
    several = {"instances": wide["instances"] + v1(world, 1, 6)["instances"]}
    response = client.post(
        predict, content=json.dumps(several), headers={"content-type": "application/json; charset=utf-8"}
    )
    slates = [prediction["slate"] for prediction in response.json()["predictions"]]
    assert [len(slate) for slate in slates] == [LIMITS.items, 2]
    assert sorted(ranked["item"] for ranked in slates[0]) == list(range(LIMITS.items))


@pytest.mark.parametrize(
    "name", [name for name in BAD if name not in ("too many instances", "too many items", "half a surrogate")]
)
def test_bad_documents_are_refused(client: httpx.Client, predict: str, name: str) -> None:
    try:
        content = json.dumps(BAD[name])
    except ValueError:
        pytest.fail("every document of the list can be written")
    if name == "a text that is too long":
        content = json.dumps(BAD[name]).replace("x" * 9, "x" * (LIMITS.text + 1))
    refused(client.post(predict, content=content, headers={"content-type": "application/json"}))


BYTES = {
    "nothing": b"",
    "no JSON": b"{",
    "two documents": b"{}{}",
    "no UTF-8": b'{"instances": "\xff\xfe"}',
    "half a surrogate": rb'{"instances": "\ud800"}',
    "UTF-16": '{"instances": []}'.encode("utf-16"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a long number": b'{"instances": ' + b"9" * 100_000 + b"}",
    "a number": b"7",
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/v2/models/{}/infer"])
def test_invalid_bytes_are_refused(client: httpx.Client, world: World, path: str, name: str) -> None:
    header = {"content-type": "application/json"}
    refused(client.post(path.format(world.name), content=BYTES[name], headers=header))


@pytest.mark.parametrize("path", ["/v1/models/{}:predict", "/v2/models/{}/infer"])
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/json", "ce-id": "1"},
    ],
)
def test_other_content_types_are_refused(client: httpx.Client, world: World, path: str, header: dict[str, str]) -> None:
    refused(client.post(path.format(world.name), content=json.dumps(v1(world, 1)), headers=header))


def test_large_bodies_are_refused_whole_or_in_chunks(client: httpx.Client, predict: str) -> None:
    header = {"content-type": "application/json"}
    body = b'{"instances": "' + b"x" * LIMITS.body_bytes + b'"}'
    assert str(LIMITS.body_bytes) in refused(client.post(predict, content=body, headers=header), 413)
    chunks = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    assert str(LIMITS.body_bytes) in refused(client.post(predict, content=chunks, headers=header), 413)
    assert client.get("/").status_code == 200


LONG = "x" * 300_000


def test_errors_do_not_repeat_long_input(client: httpx.Client, world: World, predict: str, infer: str) -> None:
    whole, tensors = v1(world, 1), v2(world, 1)
    responses = [
        client.post(predict, json={**whole, LONG: 1}),
        client.post(predict, json=v1(world, 1, **{LONG: 1})),
        client.post(predict, json=v1(world, 1, surface=LONG)),
        client.post(predict, json=v1(world, 1, device=LONG)),
        client.post(predict, json=v1(world, 1, time=LONG)),
        client.post(infer, json={**tensors, LONG: 1}),
        client.post(infer, json={**tensors, "parameters": {LONG: [1]}}),
        client.post(infer, json=v2(world, 1, **{LONG: ("BYTES", ["a"])})),
        client.post(infer, json=v2(world, 1, items=(LONG, [1]))),
        client.post(infer, json=v2(world, 1, surface=("BYTES", [LONG]))),
        client.post(infer, json={**tensors, "outputs": [{"name": LONG}]}),
        client.post(infer, json={**tensors, "id": LONG}),
        client.post(predict, json=whole, headers={"content-type": LONG[:50_000]}),
        client.post(predict, json=whole, headers={"x-request-id": LONG[:50_000]}),
        client.post(predict, json=whole, headers={"x-request-timeout-ms": LONG[:50_000]}),
        client.post(predict, json=whole, headers={"content-encoding": LONG[:50_000]}),
        client.post(predict, json=whole, headers={"authorization": LONG[:50_000]}),
        client.get(f"/v2/models/{LONG[:50_000]}/ready"),
        client.get(f"/v2/models/{LONG[:50_000]}/"),
        client.get(f"/v1/models/{LONG[:50_000]}"),
        client.post(f"/v1/models/{LONG[:50_000]}:predict", json=whole),
        client.post(f"/v2/models/{LONG[:50_000]}/infer", json=tensors),
        client.post(f"/v2/repository/models/{LONG[:50_000]}/load"),
        client.get(f"/{LONG[:50_000]}"),
    ]
    for response in responses:
        size = len(response.content) + sum(len(value) for value in response.headers.values())
        assert size < 2000, response.content[:300]
        assert response.status_code in (200, 400, 404)
    assert [response.status_code for response in responses].count(200) == 3  # whose id alone, or token, is odd


@pytest.mark.parametrize("name", ["x%0d%0ainjected:%201", "%1b%5b2J", "%00", "%ff%fe", "%e2%80%ae"])
def test_repeated_input_is_printable(client: httpx.Client, world: World, name: str) -> None:
    assert refused(client.post(f"/v1/models/{name}:predict", json=v1(world, 1)), 404).isprintable()


TIMES = ["", "0", "-1", "+1", "1_0", "1.5", "0x10", "0" * 5000, "9" * 5000, "nan", "1 1", "1,1", "1e3"]
HEADERS = [
    *[("x-request-timeout-ms", text) for text in TIMES],
    *[("content-encoding", text) for text in ("gzip", "br")],
]
LENGTHS = [("inference-header-content-length", text) for text in ("", "0" * 5000, "-1", "1")]


@pytest.mark.parametrize(("name", "value"), [*HEADERS, *LENGTHS])
def test_invalid_headers_are_refused(client: httpx.Client, world: World, name: str, value: str) -> None:
    infer = client.post(f"/v2/models/{world.name}/infer", json=v2(world, 1), headers={name: value})
    assert name in refused(infer) or (name, value) == LENGTHS[-1]
    if (name, value) in HEADERS:
        assert name in refused(
            client.post(f"/v1/models/{world.name}:predict", json=v1(world, 1), headers={name: value})
        )


@pytest.mark.parametrize("name", ["content-type", "content-encoding", "x-request-timeout-ms", "authorization"])
def test_a_duplicate_header_with_an_effect_is_refused(
    client: httpx.Client, world: World, predict: str, name: str
) -> None:
    pairs = [("content-type", "application/json"), *[(name, value) for value in ("application/json", "1000")]]
    response = client.post(predict, content=json.dumps(v1(world, 1)), headers=pairs)
    assert f"{name}: expected this header once" in refused(response)


def test_unknown_models_methods_and_paths_are_refused(client: httpx.Client, world: World) -> None:
    document = v1(world, 1)
    refused(client.post("/v1/models/nobody:predict", json=document), 404)
    refused(client.post("/v2/models/nobody/infer", json=v2(world, 1)), 404)
    refused(client.post(f"/v1/models/{world.name}:explain", json=document), 404)
    refused(client.post(f"/v2/models/{world.name}/versions/1/infer", json=v2(world, 1)), 404)
    refused(client.post(f"/v2/repository/models/{world.name}/unload"), 404)
    refused(client.get("/nothing"), 404)
    refused(client.delete(f"/v1/models/{world.name}:predict"), 405)
    assert client.post(f"/v1/models/{world.name}:predict", json=document).status_code == 200
