"""Tensors of the Open Inference Protocol (v2 REST and gRPC): conversion to a request and from a slate.

Inputs, one ranking request per call: ``member`` [1], ``items`` [n], ``surface`` [1], and optionally ``time`` [1], the
spec's context columns [1], those of the candidates [n] (NaN and "" are missing values) and ``explain`` [1] BOOL. Keys
are INT64 or BYTES, as in the spec, and integer keys may be BYTES too (their digits; then the output is); numbers FP64,
FP32 or INT64; the rest BYTES. Outputs in ranked order: ``items`` [n], ``probability_<task>`` [n] FP64, ``cold`` [n]
BOOL, ``capped`` [n] BOOL, ``score`` [n] FP64 (the ranking's), ``adjustments`` [n] BYTES (JSON each), ``impression`` [n]
BYTES (ids), ``propensity`` [n] FP64, ``member_cold`` [1] BOOL, ``fallback`` [1] BOOL, ``stale`` [1] BYTES (a JSON
list), ``model_version`` [1] BYTES, and if ``explain`` is true ``reasons`` [n] BYTES (JSON each).
"""

import json
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import orjson

from models.spec import Spec
from serving.errors import RequestError
from serving.ranking.slate import Slate
from serving.server.document import Body
from serving.server.request_headers import is_id
from serving.untrusted import escaped, quoted

if TYPE_CHECKING:
    from kserve import InferInput, InferRequest, InferResponse

_NUMBERS = ("FP64", "FP32", "INT64")
_MAX_BYTES = 1_600_000
"""Bytes of one tensor that are decoded; the limit on items is far below."""


@dataclass(frozen=True)
class TensorSchema:
    """The input and output tensors of one spec."""

    spec: Spec

    def inputs(self) -> dict[str, tuple[tuple[str, ...], bool]]:
        """By name: the accepted datatypes (the metadata has the first), and whether the tensor is required."""
        impressions = self.spec.impressions
        keys = {"int": ("INT64", "BYTES"), "string": ("BYTES",)}
        context = {f.name: (_NUMBERS if f.kind == "number" else ("BYTES",), False) for f in impressions.typed_given}
        return {
            **context,
            "member": (keys[self.spec.nodes[impressions.member.node].key_type], True),
            "items": (keys[self.spec.nodes[impressions.item.node].key_type], True),
            "surface": (("BYTES",), True),
            "time": (("BYTES",), False),
            "explain": (("BOOL",), False),
        }

    def input_metadata(self) -> list[dict[str, Any]]:
        """The inputs in the protocol's model metadata."""
        return [
            {"name": name, "datatype": datatypes[0], "shape": [-1 if name in self._of_items() else 1]}
            for name, (datatypes, _) in self.inputs().items()
        ]

    def output_metadata(self) -> list[dict[str, Any]]:
        """The outputs in the protocol's model metadata."""
        item = self.inputs()["items"][0][0]
        ranked = [("items", item), *((f"probability_{task}", "FP64") for task in self.spec.tasks), ("cold", "BOOL")]
        ranked += [("capped", "BOOL"), ("score", "FP64"), ("adjustments", "BYTES")]
        ranked += [("impression", "BYTES"), ("propensity", "FP64")]
        return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in ranked] + [
            {"name": "member_cold", "datatype": "BOOL", "shape": [1]},
            {"name": "fallback", "datatype": "BOOL", "shape": [1]},
            {"name": "stale", "datatype": "BYTES", "shape": [1]},
            {"name": "model_version", "datatype": "BYTES", "shape": [1]},
        ]

    def instance(self, request: "InferRequest") -> dict[str, Any]:
        """The inputs as one instance of the v1 protocol, whose parser checks the values. Raises RequestError."""
        expected = self.inputs()
        given: dict[str, list[Any]] = {}
        for tensor in request.inputs:
            if tensor.name not in expected:
                raise RequestError(f"inputs: expected {', '.join(sorted(expected))}; found {quoted(tensor.name)}")
            if tensor.name in given:
                raise RequestError(f"inputs.{tensor.name}: expected it once; found it twice")
            given[tensor.name] = _values(tensor, expected[tensor.name][0])
        for name, (_, required) in expected.items():
            if required and name not in given:
                raise RequestError(f"inputs: expected the tensor {name!r}; found {', '.join(sorted(given)) or 'none'}")
        for name, values in given.items():
            if name not in self._of_items() and len(values) != 1:
                raise RequestError(f"inputs.{name}: expected one value; found {len(values)}")
        instance: dict[str, Any] = {"member": given.pop("member")[0], "items": given.pop("items")}
        if "explain" in given:
            instance["explain"] = given.pop("explain")[0]
        columns = self.spec.impressions.candidate_context
        if candidates := {name: [_known(one) for one in given.pop(name)] for name in columns if name in given}:
            instance["candidates"] = candidates
        return {**instance, "context": {name: values[0] for name, values in given.items()}}

    def _of_items(self) -> set[str]:
        """The inputs with one value per item."""
        return {"items", *self.spec.impressions.candidate_context}

    def check_outputs(self, request: "InferRequest") -> None:
        """Raise RequestError if the request names an unknown output, or one twice."""
        known = [*(output["name"] for output in self.output_metadata()), "reasons"]
        requested: set[str] = set()
        for output in request.request_outputs or []:
            if output.name not in known:
                raise RequestError(f"outputs: expected one of {', '.join(known)}; found {quoted(output.name)}")
            if output.name in requested:
                raise RequestError(f"outputs: expected {output.name} once; found it twice")
            requested.add(output.name)

    def response(self, request: "InferRequest", name: str, slate: Slate) -> "InferResponse":
        """The slate as tensors: those that the request names, or all. The id is the request's if that is valid."""
        from kserve import InferOutput, InferResponse

        binary = bool(request.use_binary_outputs)
        columns: dict[str, list[Any]] = {
            "items": slate.item_keys(),
            "cold": slate.cold.tolist(),
            "member_cold": [slate.member_cold],
            "fallback": [slate.fallback],
            "stale": [json.dumps(slate.stale.kinds)],
            "capped": slate.capped.tolist(),
            "score": slate.scores.tolist(),
            "adjustments": [json.dumps(adjustments) for adjustments in slate.adjustments],
            "impression": slate.impressions(),
            "propensity": slate.propensities.tolist(),
            "model_version": [slate.model_version],
        }
        for task in self.spec.tasks:
            columns[f"probability_{task}"] = slate.probabilities[task].tolist()
        outputs = self.output_metadata()
        if slate.text_keys:
            outputs[0] = {**outputs[0], "datatype": "BYTES"}
        if slate.reasons is not None:
            columns["reasons"] = [json.dumps(reasons) for reasons in slate.reasons]
            outputs.append({"name": "reasons", "datatype": "BYTES", "shape": [-1]})
        wanted = {output.name for output in request.request_outputs or []} or set(columns)
        return InferResponse(
            response_id=request.id if is_id(request.id) else slate.ids.request,
            model_name=name,
            model_version=slate.model_version,
            infer_outputs=[
                InferOutput(output["name"], [len(columns[output["name"]])], output["datatype"], columns[output["name"]])
                for output in outputs
                if output["name"] in wanted
            ],
            parameters={"relative": json.dumps(slate.relative)} if slate.relative else None,
            use_binary_outputs=binary,
            requested_outputs=None if request.from_grpc else _requested_outputs(request, binary),
        )


def infer_request(body: Body, name: str) -> "InferRequest":
    """KServe's object of a v2 request over REST that ``serving.server.tensor_document`` has checked."""
    from kserve import InferInput, InferRequest
    from kserve.protocol.infer_type import RequestedOutput

    document, inputs, start = body.document, [], 0
    for given in document["inputs"]:
        parameters = given.get("parameters") or {}
        tensor = InferInput(given["name"], given["shape"], given["datatype"], given.get("data"), parameters)
        if (size := parameters.get("binary_data_size")) is not None:
            tensor._raw_data = (body.tensors or b"")[start : start + size]
            start += size
        inputs.append(tensor)
    outputs = [RequestedOutput(one["name"], one.get("parameters") or {}) for one in document.get("outputs") or []]
    return InferRequest(
        model_name=name,
        infer_inputs=inputs,
        request_id=document.get("id"),
        parameters=document.get("parameters"),
        request_outputs=outputs or None,
    )


def infer_response(response: "InferResponse") -> tuple[bytes, int | None]:
    """The body of a v2 response over REST, and in the binary form the length of its JSON part."""
    content, json_length = response.to_rest()
    if json_length is not None:
        return content, json_length
    # Absent parameters are null, as KServe's own response has them.
    outputs = [{"parameters": None, **output} for output in content["outputs"]]
    return orjson.dumps({"parameters": None, **content, "outputs": outputs}), None


def _requested_outputs(request: "InferRequest", binary: bool) -> list[Any]:
    """The outputs that the request names, each in the form of its own ``binary_data``, else in the request's."""
    from kserve.protocol.infer_type import RequestedOutput

    return [
        RequestedOutput(output.name, {"binary_data": binary if output.binary_data is None else output.binary_data})
        for output in request.request_outputs or []
    ]


def _values(tensor: "InferInput", datatypes: tuple[str, ...]) -> list[Any]:
    """The tensor's values, flat; datatype, shape and number are checked, the types of the values are not."""
    place = f"inputs.{tensor.name}"
    if tensor.datatype not in datatypes:
        raise RequestError(f"{place}: expected datatype {' or '.join(datatypes)}; found {quoted(tensor.datatype)}")
    shape = list(tensor.shape)
    if any(size < 0 for size in shape) or len(shape) not in (1, 2) or shape[:-1] not in ([], [1]):
        raise RequestError(f"{place}: expected shape [n] or [1, n]; found {escaped(str(shape))}")
    values = _raw(tensor, place) if tensor._raw_data is not None else _flat(tensor.data or [], len(shape), place)
    if len(values) != prod(shape):
        raise RequestError(f"{place}: expected {prod(shape)} values, as its shape says; found {len(values)}")
    if tensor.datatype == "BYTES":
        return [_text(value, place) for value in values]
    if any(isinstance(value, str) for value in values):  # integer keys may be text, but not in a tensor of numbers
        raise RequestError(f"{place}: expected values of {tensor.datatype}; found text. Integer keys as text are BYTES")
    return values


def _raw(tensor: "InferInput", place: str) -> list[Any]:
    """Values of the binary form; KServe raises various errors if the bytes do not fit the shape."""
    if len(tensor._raw_data) > _MAX_BYTES:
        raise RequestError(f"{place}: expected at most {_MAX_BYTES} bytes; found {len(tensor._raw_data)}")
    try:
        return tensor.as_numpy().ravel().tolist()
    except Exception as error:
        raise RequestError(
            f"{place}: expected bytes that fit shape and datatype; found {escaped(str(error))}"
        ) from None


def _flat(data: list[Any], levels: int, place: str) -> list[Any]:
    """Row-major values, flat or nested as the shape: the protocol allows both."""
    if levels == 2 and len(data) == 1 and isinstance(data[0], list):
        data = data[0]
    if any(isinstance(value, list) for value in data):
        raise RequestError(f"{place}: expected values in one list, or nested as the shape says; found other lists")
    return data


def _known(value: Any) -> Any:
    """A candidate's value: NaN is a missing number, since a tensor has no null."""
    return None if value != value else value


def _text(value: Any, place: str) -> Any:
    """A BYTES value as text; in JSON it is a string already."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise RequestError(f"{place}: expected text in a tensor of BYTES; found {quoted(value)}")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{place}: expected UTF-8; found other bytes") from None
