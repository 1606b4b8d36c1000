"""A real server beside its protocols: request ids, metrics, the fallback, the served log."""

from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from models import served
from tests.serving.requests import outputs, v1, v2
from tests.serving.running import broken_store, counter_value, wait_until
from tests.serving.world import World


def test_without_the_store_slates_are_ranked_by_popularity_until_it_is_back(client: httpx.Client, world: World) -> None:
    items = world.keys("item")[:3]

    def prediction() -> dict[str, Any]:
        (prediction,) = client.post(f"/v1/models/{world.name}:predict", json=v1(world, *items)).json()["predictions"]
        return prediction

    before = counter_value(client, "heliograph_fallbacks_total")
    with broken_store(world):
        found = prediction()
        assert (found["fallback"], found["member_cold"]) == (True, True)
        clicks = [ranked["probabilities"]["click"] for ranked in found["slate"]]
        assert [ranked["score"] for ranked in found["slate"]] == clicks
        assert all(ranked["adjustments"] == [{"rule": "popularity"}] for ranked in found["slate"])
        assert clicks == sorted(world.prior.probabilities(items)["click"], reverse=True)
        response = client.post(f"/v2/models/{world.name}/infer", json=v2(world, *items))
        assert outputs(response)["fallback"] == [True]
        assert counter_value(client, "heliograph_fallbacks_total") == before + 2
        assert client.get("/v2/health/ready").status_code == 200
    assert prediction()["fallback"] is False


def test_the_request_id_is_returned_or_made(client: httpx.Client, world: World) -> None:
    predict, infer = f"/v1/models/{world.name}:predict", f"/v2/models/{world.name}/infer"
    item = world.keys("item")[0]
    response = client.post(predict, json=v1(world, item), headers={"x-request-id": "trace/1"})
    assert response.headers["x-request-id"] == "trace/1" == response.json()["predictions"][0]["request_id"]
    made = client.post(predict, json=v1(world, item))
    assert made.headers["x-request-id"] == made.json()["predictions"][0]["request_id"]
    assert len(made.headers["x-request-id"]) == 36
    own = client.post(infer, json={**v2(world, item), "id": "mine"})
    assert own.headers["x-request-id"] == "mine" == own.json()["id"]
    both = client.post(infer, json={**v2(world, item), "id": "mine"}, headers={"x-request-id": "theirs"})
    assert (both.headers["x-request-id"], both.json()["id"]) == ("theirs", "mine")
    refused = client.post(predict, content=b"{", headers={"x-request-id": "bad"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (400, "bad")


def test_every_stage_is_timed(client: httpx.Client, world: World) -> None:
    stages = [f'heliograph_stage_seconds_count{{stage="{s}"}}' for s in ("preprocess", "predict", "postprocess")]
    before = [counter_value(client, stage) for stage in stages]
    document = v1(world, *world.keys("item"))
    assert client.post(f"/v1/models/{world.name}:predict", json=document).status_code == 200
    assert [counter_value(client, stage) for stage in stages] == [count + 1 for count in before]


def test_an_invalid_deadline_is_refused(client: httpx.Client, world: World) -> None:
    predict, header = f"/v1/models/{world.name}:predict", "x-request-timeout-ms"
    response = client.post(predict, json=v1(world, 1), headers={header: "soon"})
    assert (response.status_code, response.json()["error"].startswith(header)) == (400, True)
    assert client.post(predict, json=v1(world, 1), headers={header: "2000"}).status_code == 200


def test_a_missed_deadline_is_503(client: httpx.Client, world: World) -> None:
    heavy = {"instances": v1(world, *range(500))["instances"] * 16}
    header = {"x-request-timeout-ms": "1"}
    response = client.post(f"/v1/models/{world.name}:predict", json=heavy, headers=header)
    assert (response.status_code, "within 0.001 s" in response.json()["error"]) == (503, True)
    assert counter_value(client, 'heliograph_refused_total{reason="late"}') >= 1


def test_slates_are_counted_and_logged(client: httpx.Client, world: World, server_folder: Path) -> None:
    items = world.keys("item")
    document = v1(world, items[0], items[1], time="2026-02-02T02:02:02Z", device="desktop")
    client.post(f"/v1/models/{world.name}:predict", json=document, headers={"x-request-id": "logged"})
    moment = 1_769_997_722_000_000

    def rows() -> pd.DataFrame:
        frame = served.read(server_folder / "served", model=world.name)
        return frame[frame["request"] == "logged"]

    wait_until(lambda: len(rows()) == 2)
    found = rows()
    assert sorted(found["item"]) == sorted(items[:2])
    assert set(found["time"]) == {moment}
    assert set(found["as_of"]) == {moment - 1}
    assert set(found["device"]) == {"desktop"}
    assert set(found["model_version"]) == {world.version}
    assert found["probability_click"].is_monotonic_decreasing
    assert found[["item_counts_click_rate", "member_counts_exposures"]].notna().all(axis=None)
    assert counter_value(client, 'heliograph_vectors_total{fate="used",kind="item",surface="push"') > 0
    assert found["latency"].gt(0).all()
