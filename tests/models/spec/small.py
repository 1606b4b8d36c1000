"""A small valid spec, and changes to it."""

import copy
from collections.abc import Callable
from datetime import date

import pytest
import yaml

from models.spec import SpecError, parse_spec
from tests.factories import specs

MEMBER, POST = ("member", "member_id"), ("post", "post_id")
_PROFILE = {"table": "members", "features": {"age": "number", "job": "category", "text": "vector[4]"}}
GOOD = specs.document(
    timezone="Asia/Shanghai",
    source={"adapter": "fake", "options": {"rate": 0.00001, "size": 3}},
    nodes={"member": {"key": "member_id", "views": {"profile": _PROFILE}}, "post": {"key": "post_id"}},
    edges={"clicked": specs.edge("impressions", MEMBER, POST, filter={"clicked": [1]}, fan_out=[2, 1])},
    impressions=specs.impressions(
        MEMBER, POST, surfaces=["feed", "mail"], context={"hour": "number"}, outcomes=["clicked", "seconds"]
    ),
    tasks={"click": {"label": "clicked", "primary": True}},
    counters={"by_post": {"keys": ["item"]}},
    windows={"start": date(2026, 1, 1)},
)
COLUMNS = {
    "impressions": (
        *("impression_id", "time", "settled_time", "member_id", "post_id", "surface", "hour", "clicked", "seconds"),
    ),
    "members": ("member_id", "valid_from", "age", "job", "text"),
}


def changed(change: Callable[[dict], object]) -> str:
    document = copy.deepcopy(GOOD)
    change(document)
    return yaml.safe_dump(document)


def put(path: str, value: object) -> Callable[[dict], object]:
    """A change that sets one key, by its dotted path."""

    def change(document: dict) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


def check_mistake(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    """The changed spec is refused; the error names the file, the key, what was expected and what was found."""
    with pytest.raises(SpecError) as caught:
        parse_spec(changed(change), "configs/small.yaml")
    error = caught.value
    assert error.file == "configs/small.yaml"
    assert key in error.key
    assert expected in error.expected
    assert found in error.found
    assert str(error) == f"configs/small.yaml: {error.key}: expected {error.expected}; found {error.found}"
