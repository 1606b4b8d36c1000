"""What pydantic found wrong with a request, in one sentence."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.shown import named, shown


class Strict(BaseModel):
    """A part of a request: nothing is converted, nothing undeclared is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=False, protected_namespaces=())


def first(error: ValidationError) -> str:
    """The first finding: place, what was expected, what was found."""
    return sentence(error.errors(include_url=False, include_context=False)[0])


def sentence(finding: Mapping[str, Any]) -> str:
    """A finding, as pydantic's ``errors`` gives it."""
    place = ".".join(named(str(part)) for part in finding["loc"][-6:]) or "request"
    expected = finding["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    if finding["type"] == "extra_forbidden":
        return f"{place}: expected only fields that are declared; found an unknown one"
    if finding["type"] in ("too_short", "too_long"):
        expected = expected.removeprefix("List should have ").partition(" after validation")[0]
    if finding["type"] == "missing":
        return f"{place}: expected this field; found nothing"
    return f"{place}: expected {expected[0].lower()}{expected[1:]}; found {shown(finding['input'])}"
