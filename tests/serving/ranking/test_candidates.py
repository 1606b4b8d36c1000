"""Context of the candidates in a request: parsed as it was meant, or refused in one sentence."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.errors import RequestError
from serving.ranking.candidates import candidate_inputs
from serving.ranking.request import RequestParser
from serving.settings.limits import Limits
from tests.serving.world import DOCUMENT, world_spec

SPEC = world_spec(
    impressions={**DOCUMENT["impressions"], "candidate_context": {"price": "number", "schema": "category"}}
)
PARSER = RequestParser(SPEC, Limits(items=3, text=8))
LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12)
ANYTHING = LEAVES | st.lists(LEAVES, max_size=5) | st.lists(st.lists(LEAVES, max_size=2), max_size=3)


def parsed(candidates: Any, parser: RequestParser = PARSER) -> Any:
    shown = {"member": 1, "items": [2, 3], "context": {"surface": "push"}, "candidates": candidates}
    return parser.parse({"instances": [shown]}, now=5)[0].candidates


def test_columns_are_read_in_the_order_of_the_items() -> None:
    found = parsed({"price": [1, None], "schema": [None, "a"]})  # `schema` is a name that pydantic reserves
    assert found == {"price": (1.0, None), "schema": (None, "a")}
    inputs = candidate_inputs(SPEC.impressions.typed_candidates, found)
    np.testing.assert_array_equal(inputs["price"], np.array([1, np.nan], np.float32))
    assert inputs["schema"].tolist() == [None, "a"]


@pytest.mark.parametrize("nothing", [None, {}, {"price": None}])
def test_they_may_be_left_out(nothing: Any) -> None:
    assert parsed(nothing) == {}
    assert candidate_inputs(SPEC.impressions.typed_candidates, {}) == {}


def test_an_empty_text_is_a_missing_category() -> None:
    assert parsed({"schema": ["", "a"]}) == {"schema": (None, "a")}


def test_a_spec_without_them_refuses_them() -> None:
    with pytest.raises(RequestError, match=r"^instances\.0\.candidates: expected only fields that are declared"):
        parsed({}, RequestParser(world_spec()))


@given(st.dictionaries(st.sampled_from(["price", "schema", "other"]), ANYTHING, max_size=2) | ANYTHING)
def test_anything_is_read_or_refused_in_a_sentence(candidates: Any) -> None:
    message, found = "", {}
    try:
        found = parsed(candidates)
    except RequestError as error:
        message = str(error)
    assert not message or message.startswith("instances.0.candidates")
    assert len(message) < 300
    assert all(len(values) == 2 for values in found.values())
    assert all(isinstance(one, float | int | None) for one in found.get("price", ()))
    candidate_inputs(SPEC.impressions.typed_candidates, found)


def test_a_long_list_of_wrong_values_costs_what_one_does() -> None:
    """The errors of a request are collected before one of them is told."""
    parser = RequestParser(SPEC, Limits(items=500, instances=16))
    wrong = {"price": ["x"] * 500, "schema": [1] * 500}
    for candidates, items in ((wrong, [*range(500)]), ({}, ["01"] * 500)):
        shown = {"member": 1, "items": items, "context": {"surface": "push"}, "candidates": candidates}
        with pytest.raises(ValidationError) as raised:
            parser._document.model_validate({"instances": [shown] * 16})
        assert raised.value.error_count() < 5


def test_an_overlong_list_of_keys_is_refused_as_it_is() -> None:
    with pytest.raises(RequestError, match=r"items: expected at most 3"):
        RequestParser(SPEC, Limits(items=3)).parse(
            {"instances": [{"member": 1, "items": ["1"] * 4, "context": {"surface": "push"}}]}
        )
