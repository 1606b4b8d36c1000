"""Open Inference Protocol (v2 REST and gRPC): tensors to a request, a slate to tensors.

Inputs, one request a call: ``member`` [1], ``items`` [n], ``surface`` [1], and as they are needed ``time`` [1], the
spec's context columns [1] and ``explain`` [1] BOOL. Keys are INT64 or BYTES as the spec says; numbers FP64, FP32 or
INT64; the rest BYTES. Outputs in ranked order: ``items`` [n], ``probability_<task>`` [n] FP64, ``cold`` [n] BOOL,
``capped`` [n] BOOL, ``score`` [n] FP64 (what was ranked by), ``adjustments`` [n] BYTES (JSON each), ``member_cold``
[1] BOOL, ``fallback`` [1] BOOL, ``model_version`` [1] BYTES, and where ``explain`` is true ``reasons`` [n] BYTES (JSON
each).
"""

import json
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from models.spec import Spec
from serving.errors import RequestError
from serving.ranking.slate import Slate
from serving.server.request_headers import is_id
from serving.shown import named, shown

if TYPE_CHECKING:
    from kserve import InferInput, InferRequest, InferResponse

_APART = ("member", "items", "explain")
"""Tensors that are no part of the context."""
_NUMBERS = ("FP64", "FP32", "INT64")
_WIDEST = 100_000
"""Values that are looked at in one tensor; the limit on items is far below."""


@dataclass(frozen=True)
class TensorNames:
    """The tensors of one spec: what is expected, and the metadata that says so."""

    spec: Spec

    def inputs(self) -> dict[str, tuple[tuple[str, ...], bool]]:
        """By name: the datatypes that are read (the first is the advertised one), and whether it must be there."""
        shown = self.spec.impressions
        keys = {"int": ("INT64",), "string": ("BYTES",)}
        context = {f.name: (_NUMBERS if f.kind == "number" else ("BYTES",), False) for f in shown.typed_context}
        return {
            **context,
            "member": (keys[self.spec.nodes[shown.member.node].key_type], True),
            "items": (keys[self.spec.nodes[shown.item.node].key_type], True),
            "surface": (("BYTES",), True),
            "time": (("BYTES",), False),
            "explain": (("BOOL",), False),
        }

    def input_metadata(self) -> list[dict[str, Any]]:
        """For the protocol's model metadata."""
        return [
            {"name": name, "datatype": datatypes[0], "shape": [-1 if name == "items" else 1]}
            for name, (datatypes, _) in self.inputs().items()
        ]

    def output_metadata(self) -> list[dict[str, Any]]:
        """For the protocol's model metadata."""
        item = self.inputs()["items"][0][0]
        ranked = [("items", item), *((f"probability_{task}", "FP64") for task in self.spec.tasks), ("cold", "BOOL")]
        ranked += [("capped", "BOOL"), ("score", "FP64"), ("adjustments", "BYTES")]
        return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in ranked] + [
            {"name": "member_cold", "datatype": "BOOL", "shape": [1]},
            {"name": "fallback", "datatype": "BOOL", "shape": [1]},
            {"name": "model_version", "datatype": "BYTES", "shape": [1]},
        ]

    def instance(self, request: "InferRequest") -> dict[str, Any]:
        """The tensors as one instance of the v1 protocol, which checks the values; raises RequestError."""
        expected = self.inputs()
        given: dict[str, list[Any]] = {}
        for tensor in request.inputs:
            if tensor.name not in expected:
                raise RequestError(f"inputs: expected {', '.join(sorted(expected))}; found {shown(tensor.name)}")
            if tensor.name in given:
                raise RequestError(f"inputs.{tensor.name}: expected it once; found it twice")
            given[tensor.name] = _values(tensor, expected[tensor.name][0])
        for name, (_, required) in expected.items():
            if required and name not in given:
                raise RequestError(f"inputs: expected the tensor {name!r}; found {', '.join(sorted(given)) or 'none'}")
        for name, values in given.items():
            if name != "items" and len(values) != 1:
                raise RequestError(f"inputs.{name}: expected one value; found {len(values)}")
        apart = {"member": given["member"][0], "items": given["items"]}
        if "explain" in given:
            apart["explain"] = given["explain"][0]
        return {**apart, "context": {name: values[0] for name, values in given.items() if name not in _APART}}

    def check_outputs(self, request: "InferRequest") -> None:
        """Raise RequestError where the request names an output that there is not, or one twice."""
        known = [*(output["name"] for output in self.output_metadata()), "reasons"]
        asked: set[str] = set()
        for output in request.request_outputs or []:
            if output.name not in known:
                raise RequestError(f"outputs: expected one of {', '.join(known)}; found {shown(output.name)}")
            if output.name in asked:
                raise RequestError(f"outputs: expected {output.name} once; found it twice")
            asked.add(output.name)

    def response(self, request: "InferRequest", name: str, slate: Slate) -> "InferResponse":
        """The slate as tensors: those that the request names, or all. The id is the request's, where that is one."""
        from kserve import InferOutput, InferResponse

        binary = bool(request.use_binary_outputs)
        columns: dict[str, list[Any]] = {
            "items": slate.items,
            "cold": slate.cold.tolist(),
            "member_cold": [slate.member_cold],
            "fallback": [slate.fallback],
            "capped": slate.capped.tolist(),
            "score": slate.scores.tolist(),
            "adjustments": [json.dumps(adjustments) for adjustments in slate.adjustments],
            "model_version": [slate.model_version],
        }
        for task in self.spec.tasks:
            columns[f"probability_{task}"] = slate.probabilities[task].tolist()
        offered = self.output_metadata()
        if slate.reasons is not None:
            columns["reasons"] = [json.dumps(reasons) for reasons in slate.reasons]
            offered.append({"name": "reasons", "datatype": "BYTES", "shape": [-1]})
        wanted = {output.name for output in request.request_outputs or []} or set(columns)
        return InferResponse(
            response_id=request.id if is_id(request.id) else slate.request_id,
            model_name=name,
            model_version=slate.model_version,
            infer_outputs=[
                InferOutput(output["name"], [len(columns[output["name"]])], output["datatype"], columns[output["name"]])
                for output in offered
                if output["name"] in wanted
            ],
            use_binary_outputs=binary,
            requested_outputs=None if request.from_grpc else _in_their_form(request, binary),
        )


def _in_their_form(request: "InferRequest", binary: bool) -> list[Any]:
    """The outputs that are named, each in the form that its own ``binary_data`` asks for, else the request's."""
    from kserve.protocol.infer_type import RequestedOutput

    return [
        RequestedOutput(output.name, {"binary_data": binary if output.binary_data is None else output.binary_data})
        for output in request.request_outputs or []
    ]


def _values(tensor: "InferInput", datatypes: tuple[str, ...]) -> list[Any]:
    """The tensor's values, flat; shape, count and datatype are checked, the values' own types are not."""
    place = f"inputs.{tensor.name}"
    if tensor.datatype not in datatypes:
        raise RequestError(f"{place}: expected datatype {' or '.join(datatypes)}; found {shown(tensor.datatype)}")
    shape = list(tensor.shape)
    if any(size < 0 for size in shape) or len(shape) not in (1, 2) or shape[:-1] not in ([], [1]):
        raise RequestError(f"{place}: expected shape [n] or [1, n]; found {named(str(shape))}")
    values = _raw(tensor, place) if tensor._raw_data is not None else _flat(tensor.data or [], len(shape), place)
    if len(values) != prod(shape):
        raise RequestError(f"{place}: expected {prod(shape)} values, as its shape says; found {len(values)}")
    return [_text(value, place) for value in values] if tensor.datatype == "BYTES" else values


def _raw(tensor: "InferInput", place: str) -> list[Any]:
    """Values that came as bytes; the library raises all sorts of errors where the bytes do not fit the shape."""
    if len(tensor._raw_data) > 16 * _WIDEST:
        raise RequestError(f"{place}: expected at most {16 * _WIDEST} bytes; found {len(tensor._raw_data)}")
    try:
        return tensor.as_numpy().ravel().tolist()
    except Exception as error:
        raise RequestError(f"{place}: expected bytes that fit shape and datatype; found {named(str(error))}") from None


def _flat(data: list[Any], levels: int, place: str) -> list[Any]:
    """Row-major values, flat or in lists as the shape has levels: both forms are the protocol's."""
    if levels == 2 and len(data) == 1 and isinstance(data[0], list):
        data = data[0]
    if any(isinstance(value, list) for value in data):
        raise RequestError(f"{place}: expected values in one list, or in lists as the shape says; found others")
    return data


def _text(value: Any, place: str) -> Any:
    """BYTES are UTF-8; JSON has them as strings already."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{place}: expected UTF-8; found other bytes") from None
