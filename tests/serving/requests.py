"""Requests to the world's model in both protocols, and checks of their responses."""

from typing import Any

import httpx

from tests.serving.world import World


def v1(world: World, *items: int, member: int | None = None, **context: Any) -> dict[str, Any]:
    """A v1 document with one instance."""
    member = world.keys("member")[1] if member is None else member
    return {"instances": [{"member": member, "items": list(items), "context": {"surface": "push", **context}}]}


def v2(world: World, *items: int, **tensors: Any) -> dict[str, Any]:
    """A v2 document; ``tensors``: datatype and data by name."""
    given = {
        "member": ("INT64", [world.keys("member")[1]]),
        "items": ("INT64", list(items)),
        "surface": ("BYTES", ["push"]),
        **tensors,
    }
    return {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}
            for name, (datatype, data) in given.items()
        ]
    }


def outputs(response: httpx.Response) -> dict[str, Any]:
    """The data of the output tensors by name."""
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}


def refused(response: httpx.Response, status: int = 400) -> str:
    """The error of a refused request, after checks of its form."""
    assert response.status_code == status, response.text
    (name,) = response.json()
    assert name == "error"
    reason = response.json()["error"]
    assert "Traceback" not in response.text
    assert 5 < len(reason) < 400
    return reason
