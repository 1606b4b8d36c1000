"""The JSON of a v2 request, looked at before any server reads it: fields, types, and the bytes that come after it.

The servers' own reading converts (shape ``["3"]``), passes undeclared fields over, and takes bytes that belong to no
tensor. Values are looked at later, by ``serving.server.tensors`` and ``serving.ranking.request``.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from serving.errors import RefusalError
from serving.findings import Strict, first

_Value = str | int | float | bool
_DATATYPE = re.compile(r"[A-Z0-9]{1,16}")


def _datatype(text: str) -> str:
    """The library writes what it is given in capitals."""
    if not _DATATYPE.fullmatch(text):
        raise ValueError("expected one of the protocol's, such as INT64")
    return text


class _Named(Strict):
    """Parameters: those that are read have a type; others are passed over, since the protocol leaves them open."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Value]


class _InputParameters(_Named):
    binary_data_size: Annotated[int, Field(ge=0)] | None = None


class _OutputParameters(_Named):
    binary_data: bool | None = None


class _RequestParameters(_Named):
    binary_data_output: bool | None = None


class _Input(Strict):
    name: str
    datatype: Annotated[str, AfterValidator(_datatype)]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    data: list[Any] | None = None
    parameters: _InputParameters | None = None


class _Output(Strict):
    name: str
    parameters: _OutputParameters | None = None


class _Document(Strict):
    id: str | None = None
    model_name: str | None = None
    """KServe's own client writes it; the address is what counts."""
    inputs: list[_Input]
    outputs: list[_Output] | None = None
    parameters: _RequestParameters | None = None


def check_tensors(document: object, binary: int | None = None) -> None:
    """Raise RefusalError unless the object is a request of the v2 protocol.

    ``binary``: how many bytes come after it; None where it came as JSON alone.
    """
    try:
        request = _Document.model_validate(document)
    except ValidationError as error:
        raise RefusalError(400, first(error)) from None
    taken = sum(_bytes_of(tensor, place, binary) for place, tensor in enumerate(request.inputs))
    if taken != (binary or 0):
        raise RefusalError(400, f"body: expected {taken} bytes of tensors after the JSON part; found {binary}")


def _bytes_of(tensor: _Input, place: int, binary: int | None) -> int:
    """How many of the bytes are the tensor's; each tensor has its values in one place."""
    size = None if tensor.parameters is None else tensor.parameters.binary_data_size
    if size is None:
        if tensor.data is None:
            raise RefusalError(400, f"inputs.{place}.data: expected this field; found nothing")
        return 0
    if binary is None or tensor.data is not None:
        found = "both" if tensor.data is not None else "it in a request of JSON alone"
        raise RefusalError(400, f"inputs.{place}: expected data, or binary_data_size and bytes; found {found}")
    return size
