"""The record of an endpoint: what is read back, and what other readers find in it."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from serving.deployment.embedded import EndpointOptions
from serving.deployment.endpoint import Status
from serving.deployment.inference_service import Deployment
from serving.deployment.record import Endpoint, Worker, last_served

WORKERS = Worker("1", "/s/1.json", 81, 82, 90), Worker("2", "/s/2.json", 91, 92, 10)
ENDPOINT = Endpoint("model", "1", "0.0.0.0", 80, 80, "2026-01-01", WORKERS, previous="0")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "endpoint" / "endpoint.json"
    path.parent.mkdir()
    assert last_served(tmp_path) is None
    ENDPOINT.write(path)
    assert Endpoint.read(path) == ENDPOINT
    assert last_served(tmp_path) == "model"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert (document["url"], document["grpc"]) == ("http://127.0.0.1:80/v1/models/model:predict", "127.0.0.1:80")
    path.write_text(json.dumps({**document, "workers": []}), encoding="utf-8")
    assert Endpoint.read(path) is None


def test_the_main_version_comes_first_and_the_canary_second() -> None:
    assert (ENDPOINT.stable, ENDPOINT.canary) == WORKERS
    alone = Endpoint("model", "1", "127.0.0.1", 80, 80, "", WORKERS[:1])
    assert (alone.stable, alone.canary, alone.previous) == (WORKERS[0], None, None)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (ENDPOINT, "version"),
        (WORKERS[0], "percent"),
        (EndpointOptions(), "port"),
        (Status("down", None), "state"),
        (Deployment("model", "1"), "digest"),
    ],
)
def test_a_record_is_not_changed_in_place(record: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(record, field, None)
