"""Property tests draw the same examples in every run, and more and fresh ones in the nightly profile."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import fuzzing


def drawn(patch: pytest.MonkeyPatch, nightly: bool, seed: int = 0) -> tuple[list[int], list[Any]]:
    """The examples of a property test with five of them, and its marks."""
    seen: list[int] = []

    @settings(settings.get_profile("nightly" if nightly else "default"), max_examples=5)
    @given(st.integers())
    def test(number: int) -> None:
        seen.append(number)

    patch.setattr(fuzzing, "NIGHTLY", nightly)
    patch.setattr(fuzzing, "SEED", seed)
    marks: list[Any] = []
    item = cast(pytest.Item, SimpleNamespace(obj=test, add_marker=marks.append))
    fuzzing.prepare(item)
    fuzzing.prepare(item)  # a parametrized test is collected once a parameter
    test()
    return seen, marks


def test_examples_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = (drawn(monkeypatch, nightly=False) for _ in range(2))
    assert first == again
    assert len(first[0]) == 5
    assert set(first[1]) == {"fuzz"}


def test_nightly_draws_more_from_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again, other = (drawn(monkeypatch, True, seed)[0] for seed in (1, 1, 2))
    assert len(first) == 5 * fuzzing.FACTOR
    assert first == again
    assert first != other


def test_other_tests_are_left_alone() -> None:
    marks: list[Any] = []
    fuzzing.prepare(cast(pytest.Item, SimpleNamespace(obj=test_examples_repeat, add_marker=marks.append)))
    fuzzing.prepare(cast(pytest.Item, SimpleNamespace(add_marker=marks.append)))
    assert marks == []


def test_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "NIGHTLY", False)
    assert [one.values for one in fuzzing.seeds(3)] == [(0,), (1,), (2,)]
    monkeypatch.setattr(fuzzing, "NIGHTLY", True)
    monkeypatch.setattr(fuzzing, "SEED", 7)
    fresh = fuzzing.seeds(3)
    assert [one.values for one in fresh] == [(7 + n,) for n in range(3 * fuzzing.FACTOR)]
    assert {one.marks[0].name for one in fresh} == {"fuzz"}
