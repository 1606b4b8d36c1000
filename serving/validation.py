"""Strict pydantic models of requests, and pydantic's errors as one sentence."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.untrusted import escaped, quoted


class StrictModel(BaseModel):
    """Base of the models of a request: no type is converted, no undeclared field accepted."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=False, protected_namespaces=())


def first_error(error: ValidationError) -> str:
    """The first error as a sentence: field, what was expected, what was found."""
    return error_sentence(error.errors(include_url=False, include_context=False)[0])


def error_sentence(details: Mapping[str, Any]) -> str:
    """One entry of pydantic's ``ValidationError.errors()`` as a sentence."""
    field = ".".join(escaped(str(part)) for part in details["loc"][-6:]) or "request"
    expected = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    if details["type"] == "extra_forbidden":
        return f"{field}: expected only fields that are declared; found an unknown one"
    if details["type"] in ("too_short", "too_long"):
        expected = expected.removeprefix("List should have ").partition(" after validation")[0]
    if details["type"] == "missing":
        return f"{field}: expected this field; found nothing"
    return f"{field}: expected {expected[0].lower()}{expected[1:]}; found {quoted(details['input'])}"
