"""Error responses for errors of KServe and FastAPI, in the same form as ours."""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from starlette.exceptions import HTTPException

from serving.errors import FAILED, ErrorResponse, error_response
from serving.server.document import JSON
from serving.untrusted import safe_message
from serving.validation import error_sentence

_STATUSES = {InvalidInput: 400, ModelNotFound: 404, ModelNotReady: 503, ServerNotReady: 503}


def response_of(error: BaseException) -> ErrorResponse | None:
    """The response to an error of ours, KServe's or FastAPI's; None for any other exception."""
    if isinstance(error, RequestValidationError):
        return ErrorResponse(400, safe_message(error_sentence(error.errors()[0])))
    if isinstance(error, HTTPException):
        return ErrorResponse(error.status_code, safe_message(str(error.detail)), error.headers or {})
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return ErrorResponse(status, safe_message(str(error)))
    return error_response(error)


def add_error_handlers(app: FastAPI) -> None:
    """Replace the error responses of KServe and FastAPI; our own errors reach the request guard."""
    for kind in (RequestValidationError, HTTPException, *_STATUSES):
        app.add_exception_handler(kind, _respond)
    app.router.redirect_slashes = False  # a redirect would repeat the whole address and the host header


async def _respond(_: Any, error: Exception) -> Response:
    response = response_of(error) or FAILED
    return Response(response.content, response.status, response.headers, media_type=JSON)
