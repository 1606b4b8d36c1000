"""The mapping of errors to HTTP statuses, gRPC codes and headers."""

import json

import grpc
import pytest

from serving.errors import (
    FAILED,
    GRPC_CODES,
    ErrorResponse,
    OverloadedError,
    RefusalError,
    RegistryError,
    RequestError,
    UnavailableError,
    error_response,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (RequestError("why"), 400, "INVALID_ARGUMENT", {}),
        (OverloadedError("why", 3), 429, "RESOURCE_EXHAUSTED", {"retry-after": "3"}),
        (UnavailableError("why"), 503, "UNAVAILABLE", {}),
        (
            RefusalError(401, "why", {"www-authenticate": "Bearer"}),
            401,
            "UNAUTHENTICATED",
            {"www-authenticate": "Bearer"},
        ),
        (RefusalError(404, "why"), 404, "NOT_FOUND", {}),
        (RefusalError(408, "why"), 408, "DEADLINE_EXCEEDED", {}),
        (RefusalError(413, "why"), 413, "INVALID_ARGUMENT", {}),
    ],
)
def test_each_error_has_one_response(error: Exception, status: int, code: str, headers: dict[str, str]) -> None:
    response = error_response(error)
    assert response == ErrorResponse(status, "why", headers)
    assert (response.grpc_code, json.loads(response.content)) == (code, {"error": "why"})


def test_an_unexpected_error_has_none_and_its_message_is_not_sent() -> None:
    assert error_response(ValueError("secret")) is None
    assert error_response(RegistryError("internal")) is None
    assert (FAILED.status, FAILED.grpc_code) == (500, "INTERNAL")


def test_a_message_is_one_short_printable_line() -> None:
    response = error_response(RequestError("a\nb" + "x" * 1000))
    assert response is not None
    assert response.reason.isprintable()
    assert len(response.reason) <= 400


def test_the_codes_are_those_of_grpc() -> None:
    assert all(hasattr(grpc.StatusCode, code) for code in GRPC_CODES.values())
