"""Keys of requests: every key of 64 bits survives as number and as text; nothing else is taken for one."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.errors import RequestError
from serving.ranking.request import RankingRequest, RequestParser
from serving.settings.limits import Limits
from tests.factories import specs
from tests.serving.world import DOCUMENT, world_spec

PARSER = RequestParser(world_spec(), Limits(items=9))
NAMED = RequestParser(
    specs.spec_of({**DOCUMENT, "nodes": {**DOCUMENT["nodes"], "item": {"key": "item_id", "key_type": "string"}}}),
    Limits(items=9),
)
KEYS = st.integers(-(2**63), 2**63 - 1) | st.integers(-20, 20).map(lambda step: 2**53 + step)


def parsed(member: Any, items: Any, parser: RequestParser = PARSER) -> RankingRequest:
    """The request of a body, as the server reads it."""
    body = json.dumps({"instances": [{"member": member, "items": items, "context": {"surface": "push"}}]})
    (request,) = parser.parse(orjson.loads(body))
    return request


@given(KEYS, st.lists(KEYS, min_size=1, max_size=9, unique=True))
@example(2**63 - 1, [-(2**63), 2**53, 2**53 + 1, 0])
def test_keys_are_the_same_as_number_and_as_text(member: int, items: list[int]) -> None:
    numbers, texts, mixed = (
        parsed(member, items),
        parsed(str(member), [*map(str, items)]),
        parsed(member, [str(items[0]), *items[1:]]),
    )
    assert (numbers.member, numbers.items) == (member, tuple(items))
    assert (texts.member, texts.items) == (mixed.member, mixed.items) == (member, tuple(items))
    assert [request.text_keys for request in (numbers, texts, mixed)] == [False, True, True]


TEXTS = ["007", "-0", "+7", " 7", "7 ", "7.0", "7e3", "0x7", "", "-", "seven", "\u0667", "7\n", "9" * 5000]


@pytest.mark.parametrize(
    "key",
    [*TEXTS, str(2**63), str(-(2**63) - 1), 4.6e18, 2**63, 2**64, -(2**63) - 1, 7.0, True, None, [7]],
)
def test_what_is_no_key_is_refused_by_its_place(key: Any) -> None:
    for member, items, place in ((key, [1], "member"), (1, [5, key], "items.1"), ("1", ["5", key], "items.1")):
        with pytest.raises(RequestError) as error:
            parsed(member, items)
        assert f"{place}: expected a whole number of 64 bits, or its digits as text" in str(error.value)


def test_an_item_is_there_once_however_it_is_written() -> None:
    with pytest.raises(RequestError, match="items: expected each item once"):
        parsed(1, [2, "2"])


def test_strings_that_look_like_numbers_stay_strings() -> None:
    request = parsed(1, ["007", "7", "7.0"], NAMED)
    assert (request.items, request.text_keys) == (("007", "7", "7.0"), False)
    assert parsed("1", ["007"], NAMED).text_keys
    with pytest.raises(RequestError, match=r"items.0: expected .*string; found 7"):
        parsed(1, [7], NAMED)
