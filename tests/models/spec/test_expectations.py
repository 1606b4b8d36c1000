"""Expectations of a view: bounds of its features, each for the kinds that have it."""

from collections.abc import Callable

import pytest

from models.spec import SpecError, parse_spec
from tests.models.spec.small import changed, put

VIEW = "nodes.member.views.profile"


def _expect(feature: str, **parts: object) -> Callable[[dict], object]:
    return put(f"{VIEW}.expectations", {feature: parts})


def test_expectations_are_read() -> None:
    spec = parse_spec(changed(_expect("age", nulls=0.1, min=0, max=120, drift=0.2)))
    assert spec.nodes["member"].views["profile"].expectations["age"].max == 120
    assert parse_spec(changed(put("counters.by_post.fresh_within_days", 2))).counters["by_post"].fresh_within_days == 2


@pytest.mark.parametrize(
    ("change", "key", "expected", "found"),
    [
        (_expect("agee", nulls=0.1), f"{VIEW}.expectations.agee", "a feature of the view (age, job, text)", "'agee'"),
        (_expect("job", min=0), f"{VIEW}.expectations.job.min", "a number, the only kind with a range", "a category"),
        (_expect("job", max=0), f"{VIEW}.expectations.job.max", "a number, the only kind with a range", "a category"),
        (_expect("age", nulls=1.5), f"{VIEW}.expectations.age.nulls", "less than or equal to 1", "1.5"),
        (_expect("age", drift=0), f"{VIEW}.expectations.age.drift", "greater than 0", "0"),
        (_expect("age", min=3, max=2), f"{VIEW}.expectations.age", "min of at most max (2.0)", "3.0"),
        (_expect("age", nils=0.1), f"{VIEW}.expectations.age.nils", "a key that the schema knows", "'nils'"),
        (put(f"{VIEW}.fresh_within_days", 0), f"{VIEW}.fresh_within_days", "greater than 0", "0"),
    ],
)
def test_a_mistake_names_its_key(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(changed(change), "small.yaml")
    assert error.value.key == key
    assert expected in error.value.expected
    assert found in error.value.found


def test_bounds_that_just_hold() -> None:
    parse_spec(changed(_expect("age", nulls=1, min=3, max=3)))
    parse_spec(changed(_expect("job", nulls=0, drift=0.001)))
    parse_spec(changed(_expect("text", nulls=0, drift=0.001)))  # a vector
    parse_spec(changed(_expect("text", nulls=0)))
