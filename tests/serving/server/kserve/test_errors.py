"""Responses to errors of KServe and FastAPI."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from starlette.exceptions import HTTPException

from serving.errors import RequestError
from serving.server.kserve.errors import add_error_handlers, response_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("a"), 400),
        (ModelNotFound("a"), 404),
        (ModelNotReady("a"), 503),
        (HTTPException(405, "a"), 405),
        (RequestError("a"), 400),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    response = response_of(error)
    assert response is not None
    assert response.status == status
    assert "a" in response.reason


def test_an_unexpected_error_has_no_response() -> None:
    assert response_of(KeyError("a")) is None


def test_the_applications_errors_have_the_same_form() -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/typed")
    def typed(number: int) -> int:
        return number

    @app.get("/unknown")
    def unknown() -> None:
        raise ModelNotFound("a")

    client = TestClient(app)
    assert client.get("/typed?number=x").json()["error"].startswith("query.number: expected")
    assert client.get("/typed?number=x").status_code == 400
    assert client.get("/unknown").status_code == 404
    wrong = client.post("/typed")
    assert (wrong.status_code, wrong.json(), wrong.headers["allow"]) == (405, {"error": "Method Not Allowed"}, "GET")
    assert client.get("/typed/", follow_redirects=False).status_code == 404
