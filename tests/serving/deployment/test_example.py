import json
import shlex
import subprocess
from datetime import datetime
from pathlib import Path

import pandas as pd

from serving.deployment.endpoint import Endpoint
from serving.deployment.example import bundle_request, example_instance, example_request
from serving.deployment.trial import Trial
from tests.serving.world import DOCUMENT, World, world_spec


def training_set(world: World, folder: Path) -> Path:
    rows = [
        {"member": member, "item": item, "surface": "push", "device": device, "place": 3}
        for member, item, device in zip(world.keys("member"), world.keys("item"), [None, "phone"] * 5, strict=False)
    ]
    frame = pd.DataFrame(rows)
    frame["time"] = pd.to_datetime(range(len(frame)), unit="D", origin="2026-01-12", utc=True).as_unit("us")
    folder.mkdir()
    frame.to_parquet(folder / "impressions.parquet")
    return folder


def test_items_have_the_context_that_they_had_last(world: World, tmp_path: Path) -> None:
    folder = training_set(world, tmp_path / "training_set")
    path = folder / "impressions.parquet"
    frame = pd.read_parquet(path)
    again = frame.assign(
        time=frame["time"] + pd.Timedelta(days=90), price=frame.index.to_series().where(frame.index > 6)
    )
    pd.concat([frame.assign(price=-1.0), again]).to_parquet(path)
    shown = {**DOCUMENT["impressions"], "candidate_context": {"price": "number"}}
    instance = example_instance(world_spec(impressions=shown), folder, world.as_of + 1)
    assert instance["items"] == world.keys("item")[8:3:-1]
    assert instance["candidates"] == {"price": [8, 7, None, None, None]}


def test_the_last_impression_becomes_a_line_that_works(world: World, server: Endpoint, tmp_path: Path) -> None:
    folder = training_set(world, tmp_path / "training_set")
    instance = example_instance(world.spec, folder, world.as_of + 1)
    assert instance["member"] == world.keys("member")[8]
    assert instance["items"] == world.keys("item")[8:3:-1]
    assert datetime.fromisoformat(instance["context"].pop("time")).timestamp() * 1e6 == world.as_of + 1
    assert instance["context"] == {"surface": "push", "place": 3}
    line = shlex.split(example_request(world.spec, folder, server, world.as_of + 1))
    assert line[0] == "curl"
    done = subprocess.run([*line, "--noproxy", "*"], capture_output=True, check=True, text=True)
    (response,) = json.loads(done.stdout)["predictions"]
    assert response["member"] == instance["member"]
    assert not response["member_cold"]


def test_keys_that_json_readers_may_round_are_text(world: World, tmp_path: Path) -> None:
    folder = training_set(world, tmp_path / "training_set")
    frame = pd.read_parquet(folder / "impressions.parquet").tail(2)
    frame.assign(item=[2**63 - 1, 7]).to_parquet(folder / "impressions.parquet")
    instance = example_instance(world.spec, folder, world.as_of)
    assert (instance["member"], instance["items"]) == (str(world.keys("member")[8]), ["7", "9223372036854775807"])


def test_a_bundle_alone_makes_a_request_that_is_answered(world: World, server: Endpoint) -> None:
    document = bundle_request(world.state.parent / "bundle")
    (instance,) = document["instances"]
    assert (instance["member"], instance["context"]) == (0, {"surface": "email"})
    assert set(instance["items"]) <= set(world.keys("item"))
    Trial(world.name, lambda version: document, None, 20.0).run(server.url.split("/v1/")[0], world.version)
