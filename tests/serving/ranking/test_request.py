from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.columns import REQUEST_TENSORS
from serving.errors import RequestError
from serving.ranking.request import RankingRequest, RequestParser
from serving.server.tensors import TensorSchema
from serving.settings.limits import Limits
from tests.serving.world import world_spec

SPEC = world_spec()
PARSER = RequestParser(SPEC, Limits(items=3, instances=2, text=8))


def document(**changes: Any) -> dict[str, Any]:
    context = {"surface": "push", **changes.pop("context", {})}
    return {"instances": [{"member": 1, "items": [2, 3], "context": context, **changes}]}


def test_a_request_is_read_as_it_was_meant() -> None:
    context = {"time": "2026-01-20T09:00:00+02:00", "place": 4, "device": "phone"}
    (request,) = PARSER.parse(document(context=context))
    moment = 1768892400_000_000
    assert request == RankingRequest(1, (2, 3), "push", moment, {"place": 4.0, "device": "phone"})


def test_time_and_context_may_be_left_out() -> None:
    for nothing in (None, ""):
        (request,) = PARSER.parse(document(context={"device": nothing}), now=17)
        assert (request.time, request.context) == (17, {})


BAD = {
    "no object": [1],
    "nothing": {},
    "unknown field at the top": {**document(), "parameters": {}},
    "no instances": {"instances": []},
    "too many instances": {"instances": document()["instances"] * 3},
    "instances of another type": {"instances": "x"},
    "an instance of another type": {"instances": [3]},
    "unknown field": document(user=3),
    "no items": document(items=[]),
    "too many items": document(items=[1, 2, 3, 4]),
    "an item twice": document(items=[2, 2]),
    "an item of another type": document(items=["two"]),
    "an item twice, as number and as text": document(items=[2, "2"]),
    "a number that is none": document(items=[2.5]),
    "bool for int": document(member=True),
    "an int that is too large": document(member=2**63),
    "null": document(member=None),
    "nested": document(member=[[[1]]]),
    "no context": {"instances": [{"member": 1, "items": [2]}]},
    "unknown surface": document(context={"surface": "fax"}),
    "surface of another type": document(context={"surface": 3}),
    "unknown context column": document(context={"price": 3}),
    "NaN": document(context={"place": float("nan")}),
    "infinity": document(context={"place": float("inf")}),
    "a number that float32 makes infinite": document(context={"place": 1e39}),
    "a whole number that float32 rounds": document(context={"place": 2**24 + 1}),
    "a number beyond floats": document(context={"place": 10**400}),
    "bool for number": document(context={"place": True}),
    "text for number": document(context={"place": "4"}),
    "number for text": document(context={"device": 4}),
    "a text that is too long": document(context={"device": "x" * 9}),
    "half a surrogate": document(context={"device": "\ud800"}),
    "a time that is none": document(context={"time": "yesterday"}),
    "a time without a zone": document(context={"time": "2026-01-20T09:00:00"}),
    "a time as a number": document(context={"time": 1768899600}),
    "a time before all time": document(context={"time": "0001-01-01T00:00:00+23:00"}),
    "a time after all time": document(context={"time": "9999-12-31T23:59:59-23:00"}),
    "an unknown name for a field": document(context={"context_device": "phone"}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(RequestError, match=r"^[\w.-]+: expected .*; found .") as error:
        PARSER.parse(BAD[name])
    assert len(str(error.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_whatever_comes_is_a_request_or_refused(member: Any, items: Any, context: Any) -> None:
    for given_ in (member, document(member=member), document(items=items), {"instances": [{"context": context}]}):
        try:
            requests = PARSER.parse(given_)
        except RequestError:
            continue
        assert all(isinstance(request, RankingRequest) for request in requests)


def test_every_tensor_beside_the_context_is_a_name_that_no_context_column_may_have() -> None:
    spec = world_spec()
    assert tuple(sorted(TensorSchema(spec).inputs().keys() - spec.impressions.context.keys())) == tuple(
        sorted(REQUEST_TENSORS)
    )
