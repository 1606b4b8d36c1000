"""Validation of the JSON of a v2 request: fields, types, and the bytes that follow it.

KServe's own parser converts types (shape ``["3"]``), ignores undeclared fields and accepts bytes that belong to no
tensor. Values are checked later, by ``serving.server.tensors`` and ``serving.ranking.request``.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from serving.errors import RefusalError
from serving.server.document import Body
from serving.validation import StrictModel, first_error

_Value = str | int | float | bool
_DATATYPE = re.compile(r"[A-Z0-9]{1,16}")


def _datatype(text: str) -> str:
    """KServe would accept lower case too."""
    if not _DATATYPE.fullmatch(text):
        raise ValueError("expected one of the protocol's, such as INT64")
    return text


class _Parameters(StrictModel):
    """Parameters: those with an effect are typed; the protocol allows any others, which are ignored."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Value]


class _InputParameters(_Parameters):
    binary_data_size: Annotated[int, Field(ge=0)] | None = None


class _OutputParameters(_Parameters):
    binary_data: bool | None = None


class _RequestParameters(_Parameters):
    binary_data_output: bool | None = None


class _Input(StrictModel):
    name: str
    datatype: Annotated[str, AfterValidator(_datatype)]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    data: list[Any] | None = None
    parameters: _InputParameters | None = None


class _Output(StrictModel):
    name: str
    parameters: _OutputParameters | None = None


class _Document(StrictModel):
    id: str | None = None
    model_name: str | None = None
    """Written by KServe's own client; the path decides."""
    inputs: list[_Input]
    outputs: list[_Output] | None = None
    parameters: _RequestParameters | None = None


def check_tensors(body: Body) -> None:
    """Raise RefusalError unless a parsed body is a request of the v2 protocol, with the bytes its tensors need."""
    try:
        request = _Document.model_validate(body.document)
    except ValidationError as error:
        raise RefusalError(400, first_error(error)) from None
    expected = sum(_size(tensor, place, body.tensors is not None) for place, tensor in enumerate(request.inputs))
    found = len(body.tensors or b"")
    if expected != found:
        raise RefusalError(400, f"body: expected {expected} bytes of tensors after the JSON part; found {found}")


def _size(tensor: _Input, place: int, binary: bool) -> int:
    """How many bytes after the JSON part belong to the tensor, whose values are in one place only."""
    size = None if tensor.parameters is None else tensor.parameters.binary_data_size
    if size is None:
        if tensor.data is None:
            raise RefusalError(400, f"inputs.{place}.data: expected this field; found nothing")
        return 0
    if not binary or tensor.data is not None:
        found = "both" if tensor.data is not None else "binary_data_size in a request of JSON only"
        raise RefusalError(400, f"inputs.{place}: expected data, or binary_data_size and bytes; found {found}")
    return size
