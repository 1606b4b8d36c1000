"""Attacks on TorchServe that our configuration prevents."""

import httpx
import pytest

from tests.serving.packages.servers import Starting


@pytest.fixture(scope="module")
def management(torchserve: tuple[Starting, httpx.Client]) -> httpx.Client:
    """A client of the management port that shows its token."""
    starting, client = torchserve
    starting.up()
    return client


def test_no_other_model_can_be_registered(management: httpx.Client) -> None:
    """CVE-2023-43654: registering a model by URL would run foreign code."""
    response = management.post("/models", params={"url": "https://127.0.0.1/other.mar"})
    assert response.status_code == 405, response.text
    assert len(management.get("/models").json()["models"]) == 1


@pytest.mark.parametrize("given", ["", "Bearer of-another-server"])
def test_management_requires_its_token(management: httpx.Client, given: str) -> None:
    response = management.get("/models", headers={"authorization": given})
    assert response.status_code == 400
    assert "models" not in response.json()
